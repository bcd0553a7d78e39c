"""供应商: who carries out top-ups and knows what became of a code. They answer; they write nothing anywhere."""
