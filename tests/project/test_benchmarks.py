"""Does each writer of the benchmarks page leave the other's part alone?"""

from tests.benchmarks.page import BEGIN, END, PAGE, with_book, with_peers


def test_each_writer_replaces_its_own_part():
    page = with_peers("# Benchmarks\n\nfast\n", "peers")
    assert page == f"# Benchmarks\n\nfast\n\n{BEGIN}\n\npeers\n\n{END}\n"
    assert with_peers(page, "new peers") == page.replace("peers\n", "new peers\n")
    assert with_book(page, "# New\n") == page.replace("# Benchmarks\n\nfast", "# New")
    assert with_book("# Benchmarks\n", "# New\n") == f"# New\n\n{BEGIN}\n\n{END}\n"


def test_the_page_has_both_parts():
    text = PAGE.read_text(encoding="utf-8")
    assert text.startswith("# Benchmarks\n")
    assert text.count(BEGIN) == text.count(END) == 1 and text.endswith(f"{END}\n")
