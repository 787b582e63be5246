from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from track_dispatch.records import COLUMNS

if TYPE_CHECKING:
    from track_dispatch.records import ErpRow


@pytest.fixture
def row() -> ErpRow:
    """Return the row of a made-up patient who can be reached both ways."""
    return dict.fromkeys(COLUMNS, "") | {
        "ID_Cliente_Hfocus": "40085",
        "cd_atendimento": "900000001",
        "data_atendimento": "2026-03-10 08:30:00",
        "data_saida_alta": "2026-03-12 14:05:09",
        "name": "MARIA  DA SILVA",
        "email": "Maria.Silva@Example.com",
        "phone": "55(27) 99876-1234",
        "cpf": "529.982.247-25",
        "medico": "DR. JOAO  DE SOUZA",
        "area_pesquisa": "INTERNACAO",
        "unidade": "HOSPITAL DO ERP",
        "setor": "INTERNACAO",
    }
