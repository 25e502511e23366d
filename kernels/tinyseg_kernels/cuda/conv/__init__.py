"""What convolutions are made of, and the tiles that matrix products share with them.

``tiles`` multiplies slices of two matrices; ``plan`` has the numbers of a launch, which depend on shapes alone.
``direct`` is a convolution or its adjoint, ``weight_gradient`` the gradient with respect to the weight, ``depthwise``
all three where each channel has its own filters. ``winograd`` is the Winograd algorithm, ``product`` its products.
"""
