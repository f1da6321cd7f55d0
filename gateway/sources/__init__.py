"""Where a video's bytes come from: files, web servers and object stores, one module each behind one Protocol."""
