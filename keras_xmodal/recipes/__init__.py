"""Recipes: from a data set to a trained model, by what the data says."""

from keras_xmodal.recipes.embedding import EmbeddingRecipe, embedding
from keras_xmodal.recipes.plan import Choice, Plan

__all__ = ["Choice", "EmbeddingRecipe", "Plan", "embedding"]
