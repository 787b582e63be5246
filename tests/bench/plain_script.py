"""The script that one would write instead of this product: fetchall, pandas, requests.post.

It keeps no record: after a failure nobody knows who was asked, and the next run asks everybody
again. What that record costs is what the benchmark compares. Its settings come on standard input.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import datetime
from typing import Any

import oracledb
import pandas as pd
import requests

from tests.bench.figures import measured

LINES_PER_POST = 100
FILLERS = r"^(?:nao|sem|x+@)"


def main() -> None:
    """Send one day and print what it took."""
    settings = json.load(sys.stdin)
    sys.stdout.write(json.dumps(asdict(measured(lambda: send_day(settings)))) + "\n")


def send_day(settings: dict[str, Any]) -> int:
    """Read the day, clean it, post it; return how many lines Track took."""
    lines = cleaned(fetched(settings))
    sent = 0
    for (area, channel), group in lines.groupby(["area_pesquisa", "channel"]):
        body = settings["bodies"][channel] | {"survey_uuid": settings["surveys"][area]}
        ready = group.drop(columns="channel").assign(uuid=body["survey_uuid"])
        for start in range(0, len(ready), LINES_PER_POST):
            part = ready[start : start + LINES_PER_POST].to_dict("records")
            answer = requests.post(
                settings["url"],
                json=body | {"import_lines": part},
                headers={"Authorization": f"Bearer {settings['token']}"},
                timeout=60,
            )
            answer.raise_for_status()
            sent += len(part)
    return sent


def fetched(settings: dict[str, Any]) -> pd.DataFrame:
    """Fetch the whole day at once."""
    binds = {name: datetime.fromisoformat(text) for name, text in settings["binds"].items()}
    with oracledb.connect(**settings["oracle"]) as connection, connection.cursor() as cursor:
        cursor.execute(settings["sql"], binds)
        names = [column.name for column in cursor.description or ()]
        return pd.DataFrame(cursor.fetchall(), columns=names)


def cleaned(day: pd.DataFrame) -> pd.DataFrame:
    """Clean the columns, choose each patient's channel, drop who has none, and duplicates."""
    day = day.drop_duplicates("cd_atendimento")
    email = day["email"].str.strip().str.lower().str.split(r"[;,\s]+", regex=True).str[0]
    phone = day["phone"].str.replace(r"\D", "", regex=True)
    day = day.assign(
        cd_atendimento=day["cd_atendimento"].astype(str),
        data_atendimento=day["data_atendimento"].str.strip(),
        data_saida_alta=day["data_saida_alta"].str.strip(),
        name=day["name"].str.strip().str.title(),
        email=email.where(email.str.contains("@", na=False) & ~email.str.match(FILLERS, na=False)),
        phone=phone.where(phone.str.fullmatch(r"55[1-9][0-9]9[0-9]{8}", na=False)),
        cpf=day["cpf"].str.replace(r"\D", "", regex=True).str.zfill(11),
    )
    day = day.dropna(subset=["email", "phone"], how="all")
    channel = day["email"].notna().map({True: "email", False: "whatsapp"})
    return day.fillna("").assign(channel=channel)


if __name__ == "__main__":
    main()
