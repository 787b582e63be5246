"""The demonstration world: an ERP, the survey service, and what fills them; no part of the product."""
