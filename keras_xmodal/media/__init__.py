"""Files of pictures, clips and recordings: decode, encode, read, write."""
