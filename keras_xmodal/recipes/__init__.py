"""Recipes: from a data set to a trained model, by what the data says."""

from keras_xmodal.recipes.embedding import embedding
from keras_xmodal.recipes.embedding_recipe import EmbeddingRecipe
from keras_xmodal.recipes.gan import gan
from keras_xmodal.recipes.generation_recipe import GenerationRecipe
from keras_xmodal.recipes.plan import Plan
from keras_xmodal.recipes.vae import vae

__all__ = [
    "EmbeddingRecipe",
    "GenerationRecipe",
    "Plan",
    "embedding",
    "gan",
    "vae",
]
