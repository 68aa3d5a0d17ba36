"""Library of the trainer: the scripts in the folder above are thin command lines over these modules."""
