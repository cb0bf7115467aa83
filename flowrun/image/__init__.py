"""Arrays that hold images: their memory, scaling, JPEG and text."""
