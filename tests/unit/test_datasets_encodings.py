"""The encoding of a file: found where it is certain, and never taken for another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainable.datasets.encodings import text_of
from trainable.errors import DataError

SENTENCES = {
    "English": "“Don’t” – a naïve café, 5 € or £3… it’s déjà vu",
    "French": "Le garçon a très faim, où est l’été à Noël ?",
    "Spanish": "El niño comió mañana, ¿qué dice el señor según él?",
    "Portuguese": "Não, a ação é ótima às três, você põe",
    "German": "Die Straße ist schön, größer für „Mädchen“",
    "Danish": "Rødgrød med fløde på ærlig vis",
    "Swedish": "Jag åker till Malmö för att äta",
    "Italian": "Perché così è più bello, però là",
    "Polish": "Zażółć gęślą jaźń, świetny był",
    "Czech": "Příliš žluťoučký kůň úpěl ďábelské ódy",
    "Hungarian": "Árvíztűrő tükörfúrógép",
    "Romanian": "Şi ţara mea e frumoasă, în câmpie",
    "Russian": "Очень хороший фильм, мне понравился его сюжет",
    "Ukrainian": "Дуже гарний фільм, мені сподобалася її гра",
    "Greek": "Πολύ καλή ταινία, μου άρεσε",
    "Turkish": "Çok güzel bir şarkı, ağır değil, Işık İyi",
    "Hebrew": "סרט טוב מאוד אהבתי",
    "Arabic": "فيلم جيد جدا أحببته",
    "Lithuanian": "Labai geras filmas, ačiū už žiūrėjimą šį",
    "Thai": "หนังดีมาก ชอบมาก",
    "Japanese": "とても良い映画でした。 好きです",
    "Chinese": "这部电影很好看，我很喜欢。 推荐",
    "Taiwanese": "這部電影很好看，我很喜歡。 推薦",
    "Korean": "정말 좋은 영화였습니다. 추천해요",
}
UTF = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be")
SINGLE_BYTE = (
    *("latin-1", "iso8859_15", "iso8859_2", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256"),
    *("cp1257", "cp874", "koi8_r", "koi8_u", "mac_roman", "cp437", "cp850", "cp866"),
)
FOUND = {
    **dict.fromkeys(("English", "French", "Spanish", "Portuguese", "German", "Danish", "Swedish", "Italian"), "cp1252"),
    **dict.fromkeys(("Polish", "Czech", "Hungarian"), "cp1250"),
    **dict.fromkeys(("Russian", "Ukrainian"), "cp1251"),
    "Greek": "cp1253",
    "Turkish": "cp1254",
    "Arabic": "cp1256",
    "Lithuanian": "cp1257",
    "Thai": "cp874",
    "Japanese": "shift_jis",
    "Chinese": "gbk",
    "Taiwanese": "big5",
}

USUAL = {
    **{language: (codec, *UTF) for language, codec in FOUND.items()},
    "Romanian": ("cp1250", *UTF),
    "Russian": ("cp1251", "koi8_r", *UTF),
    "Hebrew": ("cp1255", *UTF),
    "Korean": ("euc_kr", *UTF),
    "Japanese": ("shift_jis", "euc_jp", *UTF),
    "Chinese": ("gbk", "gb2312", "gb18030", *UTF),
}


def read(text: str, codec: str, encoding: str | None = None) -> str:
    return text_of(Path("a.csv"), f"text,label\n{text},a\n".encode(codec), encoding)[0].split("\n")[1]


def is_written_in(codec: str, text: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


WRITTEN = [
    (codec, name) for codec in (*UTF, *SINGLE_BYTE) for name in SENTENCES if is_written_in(codec, SENTENCES[name])
]


@pytest.mark.parametrize("codec", sorted({codec for codec, _ in WRITTEN}))
def test_a_text_is_read_as_it_was_written_or_refused(codec: str) -> None:
    for text in (SENTENCES[name] for own, name in WRITTEN if own == codec):
        try:
            assert read(text, codec) == f"{text},a"
        except DataError:
            assert not codec.startswith("utf-")
        assert read(text, codec, encoding=codec) == f"{text},a"


@pytest.mark.parametrize("language", FOUND)
def test_the_encoding_that_windows_writes_is_found(language: str) -> None:
    assert read(SENTENCES[language], FOUND[language]) == f"{SENTENCES[language]},a"


@pytest.mark.parametrize(("language", "codec"), [(each, codec) for each, codecs in USUAL.items() for codec in codecs])
def test_a_single_word_is_read_as_it_was_written_or_refused(language: str, codec: str) -> None:
    for word in SENTENCES[language].split():
        try:
            found = read(word, codec)
        except DataError:
            continue
        assert found == f"{word},a"


@pytest.mark.parametrize(
    ("text", "codec", "shown"),
    [
        ("señor", "cp1252", "cp1252 (`señor`), cp1250 (`seńor`)"),
        ("Zażółć gęślą jaźń", "iso8859_2", "possible: iso8859_2 (`Zażółć`)"),
        ("schön für Mädchen", "mac_roman", "mac_roman (`schön`)"),
        ("정말 좋은", "euc_kr", "euc_kr (`정말`)"),
    ],
)
def test_a_refusal_shows_what_each_encoding_makes_of_it(text: str, codec: str, shown: str) -> None:
    with pytest.raises(DataError) as error:
        read(text, codec)
    assert shown in str(error.value)
    assert "line 2 (`" in str(error.value)


def test_a_file_in_utf_8_is_read_so_whatever_the_others_are_in() -> None:
    text, notes = text_of(Path("a.csv"), "café".encode(), "cp1252")
    assert (text, notes) == ("café", ("a.csv is UTF-8, not cp1252: read as UTF-8",))


@pytest.mark.parametrize(
    ("text", "noted"),
    [
        ("CafÃ©", True),
        ("itâ€™s", True),
        ("Ã¼ber", True),
        ("naÃ¯ve", True),
        ("CAFÉ”, he said “É” and «À»", False),
        ("NÃO — MAÇÃ”", False),
        ("“ÀÉÎ” – ça", False),
    ],
)
def test_misread_utf_8_is_noted(text: str, noted: bool) -> None:
    read_text, notes = text_of(Path("a.csv"), text.encode())
    assert read_text == text
    assert any("looks like a misread" in note for note in notes) == noted
