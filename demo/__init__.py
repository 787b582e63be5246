"""The demonstration world: an ERP, the survey service and what fills them; not the product."""
