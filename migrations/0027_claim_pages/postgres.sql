-- More claims to a page: what an update leaves behind is gone before the page is full, so eight still get their replies on it.
ALTER TABLE claim SET (fillfactor = 20);
