#!/usr/bin/env python3
"""Writes src/carbon/countries_table.c: countries, their time zones and the intensity of their grids.

usage: make_countries.py INTENSITY.csv [ZONEINFO]

INTENSITY.csv has the columns iso3, country, g_co2e_per_kwh and year. Our World in Data's "Carbon
intensity of electricity generation" (CC BY 4.0, https://ourworldindata.org/grapher/
carbon-intensity-electricity) is taken as it is downloaded too: columns Entity, Code, Year and the
intensity, of which the latest year counts. ZONEINFO (/usr/share/zoneinfo) is the time zone
database, in the public domain.
"""
import csv
import sys
from pathlib import Path

OUT = Path(__file__).resolve().parent.parent / "src/carbon/countries_table.c"

# ISO 3166-1: two letters, then three.
CODES = """
    ADAND AEARE AFAFG AGATG AIAIA ALALB AMARM AOAGO AQATA ARARG ASASM ATAUT AUAUS AWABW AXALA
    AZAZE BABIH BBBRB BDBGD BEBEL BFBFA BGBGR BHBHR BIBDI BJBEN BLBLM BMBMU BNBRN BOBOL BQBES
    BRBRA BSBHS BTBTN BVBVT BWBWA BYBLR BZBLZ CACAN CCCCK CDCOD CFCAF CGCOG CHCHE CICIV CKCOK
    CLCHL CMCMR CNCHN COCOL CRCRI CUCUB CVCPV CWCUW CXCXR CYCYP CZCZE DEDEU DJDJI DKDNK DMDMA
    DODOM DZDZA ECECU EEEST EGEGY EHESH ERERI ESESP ETETH FIFIN FJFJI FKFLK FMFSM FOFRO FRFRA
    GAGAB GBGBR GDGRD GEGEO GFGUF GGGGY GHGHA GIGIB GLGRL GMGMB GNGIN GPGLP GQGNQ GRGRC GSSGS
    GTGTM GUGUM GWGNB GYGUY HKHKG HMHMD HNHND HRHRV HTHTI HUHUN IDIDN IEIRL ILISR IMIMN ININD
    IOIOT IQIRQ IRIRN ISISL ITITA JEJEY JMJAM JOJOR JPJPN KEKEN KGKGZ KHKHM KIKIR KMCOM KNKNA
    KPPRK KRKOR KWKWT KYCYM KZKAZ LALAO LBLBN LCLCA LILIE LKLKA LRLBR LSLSO LTLTU LULUX LVLVA
    LYLBY MAMAR MCMCO MDMDA MEMNE MFMAF MGMDG MHMHL MKMKD MLMLI MMMMR MNMNG MOMAC MPMNP MQMTQ
    MRMRT MSMSR MTMLT MUMUS MVMDV MWMWI MXMEX MYMYS MZMOZ NANAM NCNCL NENER NFNFK NGNGA NINIC
    NLNLD NONOR NPNPL NRNRU NUNIU NZNZL OMOMN PAPAN PEPER PFPYF PGPNG PHPHL PKPAK PLPOL PMSPM
    PNPCN PRPRI PSPSE PTPRT PWPLW PYPRY QAQAT REREU ROROU RSSRB RURUS RWRWA SASAU SBSLB SCSYC
    SDSDN SESWE SGSGP SHSHN SISVN SJSJM SKSVK SLSLE SMSMR SNSEN SOSOM SRSUR SSSSD STSTP SVSLV
    SXSXM SYSYR SZSWZ TCTCA TDTCD TFATF TGTGO THTHA TJTJK TKTKL TLTLS TMTKM TNTUN TOTON TRTUR
    TTTTO TVTUV TWTWN TZTZA UAUKR UGUGA UMUMI USUSA UYURY UZUZB VAVAT VCVCT VEVEN VGVGB VIVIR
    VNVNM VUVUT WFWLF WSWSM YEYEM YTMYT ZAZAF ZMZMB ZWZWE
"""

# Old names of zones whose clocks agree with those of another country, which the database links.
ELSEWHERE = {
    "Africa/Asmera": "ER", "Africa/Timbuktu": "ML", "America/Coral_Harbour": "CA",
    "America/Virgin": "VI", "Antarctica/South_Pole": "AQ", "Atlantic/Jan_Mayen": "SJ",
    "Iceland": "IS", "Pacific/Johnston": "UM", "Pacific/Ponape": "FM", "Pacific/Truk": "FM",
    "Pacific/Yap": "FM",
}

HEAD = """/* Countries, the carbon intensity of their electricity and their time zones.
 * Made by tools/make_countries.py; do not edit.
 *
 * Codes: ISO 3166-1. Intensity: mean of the year in g CO2 equivalent a kWh, over the life cycle of
 * the plants. Data: Our World in Data, from Ember and the Energy Institute, licensed under CC BY 4.0
 * (https://ourworldindata.org/grapher/carbon-intensity-electricity). Time zones: the IANA time zone
 * database, in the public domain. */
#include "carbon/countries.h"

const char *const jmi_countries_source = "Our World in Data (Ember; Energy Institute), CC BY 4.0";

/* clang-format off */
const jmi_country jmi_countries[] = {
"""


def column(names, *wanted):
    for i, name in enumerate(names):
        if any(word in name.lower() for word in wanted):
            return i
    sys.exit(f"make_countries.py: there is no column {wanted[0]} among {', '.join(names)}")


def read_intensities(path):
    """alpha-3 -> (name, g/kWh, year), of the latest year."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    names = rows[0]
    code, name = column(names, "iso3", "code"), column(names, "country", "entity")
    year, value = column(names, "year"), column(names, "co2", "carbon intensity")
    found = {}
    for row in rows[1:]:
        if row[code] and row[value] and found.get(row[code], ("", 0, 0))[2] <= int(row[year]):
            found[row[code]] = (row[name], float(row[value]), int(row[year]))
    return found


def read_tab(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def read_zones(folder):
    """alpha-2 -> names of time zones, those of today first."""
    country_of = {row[2]: row[0] for row in read_tab(folder / "zone.tab")}
    links = [line.split()[1:3] for line in (folder / "tzdata.zi").read_text().splitlines()
             if line.startswith("L ")]
    for target, alias in links:
        if alias in country_of:
            continue
        country = ELSEWHERE.get(alias) or country_of.get(target)
        if country:
            country_of[alias] = country
    zones = {}
    for zone, country in country_of.items():
        zones.setdefault(country, []).append(zone)
    return zones


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    intensities = read_intensities(sys.argv[1])
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "/usr/share/zoneinfo")
    zones, names = read_zones(folder), dict(row[:2] for row in read_tab(folder / "iso3166.tab"))
    rows = []
    for pair in CODES.split():
        alpha2, alpha3 = pair[:2], pair[2:]
        name, grams, year = intensities.get(alpha3, (names.get(alpha2, alpha2), 0, 0))
        rows.append(f'{{"{alpha2}", "{alpha3}", "{name}", {grams or "NAN"}, {year}, '
                    f'"{" ".join(zones.get(alpha2, []))}"}},\n')
    text = HEAD + "".join(rows) + "};\n/* clang-format on */\n\n"
    OUT.write_text(text + "const size_t jmi_countries_count = JMI_COUNT(jmi_countries);\n",
                   encoding="utf-8")
    print(f"{OUT.name}: {len(rows)} countries, {len(intensities)} with an intensity")


if __name__ == "__main__":
    main()
