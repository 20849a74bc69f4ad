"""The discrete equation as a function of what a store holds: residuals of batches, in numpy and in PyTorch.

Made apart from the assembly that certificates are made of, and without matrices on boxes. Nothing here is looked at by
what solves or certifies.
"""
