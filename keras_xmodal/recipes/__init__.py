"""Recipes: from a data set to a trained model, by what the data says."""

from keras_xmodal.recipes.embedding import embedding
from keras_xmodal.recipes.embedding_recipe import EmbeddingRecipe
from keras_xmodal.recipes.plan import Plan

__all__ = ["EmbeddingRecipe", "Plan", "embedding"]
