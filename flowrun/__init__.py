"""flowrun: put a KServe v2 model server into a video path."""
