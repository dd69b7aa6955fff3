"""Fills a development database with many posts, in bulk: `folkmoot lab fill`, and what benchmarks measure."""
