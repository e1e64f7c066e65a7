"""Report: results as figures, tables and one self-contained HTML page. Pure: values in, text out."""
