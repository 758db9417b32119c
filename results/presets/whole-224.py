"""`whole` for images of many classes: larger images, and three times the iterations."""

_base_ = "whole.py"
input_size = (224, 224)
max_iters = 450
