"""One row of the ERP as the import line that Track takes: all values strings, "" where missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from track_dispatch.records import COLUMNS
from track_dispatch.transformation.clean_text import clean
from track_dispatch.transformation.cpf import usable_cpf
from track_dispatch.transformation.email_addresses import usable_email
from track_dispatch.transformation.names import tidy_name
from track_dispatch.transformation.phones import usable_mobile

if TYPE_CHECKING:
    from collections.abc import Callable

    from track_dispatch.records import ErpRow

#: How each column is made fit for Track. The others, the physician's name among them, go out as
#: the ERP writes them, only clean: the surveys segment on their exact text.
_TREATMENT: dict[str, Callable[[str], str]] = {
    "name": tidy_name,
    "email": usable_email,
    "phone": usable_mobile,
    "cpf": usable_cpf,
}


def import_line(row: ErpRow, *, client_id: str, unidade: str | None) -> dict[str, str]:
    """Return the row's import line in Track's field names, without the survey's `uuid`.

    Only the contract's columns go in: an `x_` column never leaves the house. E-mail and phone
    both go with the line when they are usable, whatever the channel: they describe the customer.

    Args:
        row: One row of an extraction.
        client_id: The hospital's id at the survey vendor.
        unidade: The hospital's label that the surveys segment on; None = the ERP's.
    """
    line = {column: _TREATMENT.get(column, clean)(row[column]) for column in COLUMNS}
    line["ID_Cliente_Hfocus"] = client_id
    if unidade is not None:
        line["unidade"] = unidade
    return line
