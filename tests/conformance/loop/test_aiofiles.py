"""aiofiles on the loop, which is its executor."""

import asyncio
import os
from pathlib import Path

import aiofiles
import aiofiles.os
import aiofiles.tempfile
from support.loops import check_running, run


def test_a_file_is_written_and_read(tmp_path: Path) -> None:
    content = os.urandom(1 << 20)

    async def main() -> None:
        check_running()
        async with aiofiles.open(tmp_path / "file", "wb") as file:
            await file.write(content)
        async with aiofiles.open(tmp_path / "file", "rb") as file:
            assert await file.read(1000) == content[:1000]
            await file.seek(0)
            assert await file.read() == content
        assert (await aiofiles.os.stat(tmp_path / "file")).st_size == len(content)

    run(main())


def test_lines(tmp_path: Path) -> None:
    async def main() -> None:
        async with aiofiles.open(tmp_path / "file", "w") as file:
            await file.writelines(f"line {number}\n" for number in range(1000))
        async with aiofiles.open(tmp_path / "file") as file:
            assert [line async for line in file] == [f"line {number}\n" for number in range(1000)]

    run(main())


def test_many_files_at_once(tmp_path: Path) -> None:
    async def write(number: int) -> int:
        async with aiofiles.open(tmp_path / str(number), "w") as file:
            await file.write("x" * number)
        size: int = (await aiofiles.os.stat(tmp_path / str(number))).st_size
        return size

    async def main() -> None:
        assert await asyncio.gather(*map(write, range(200))) == list(range(200))
        assert len(await aiofiles.os.listdir(tmp_path)) == 200

    run(main())


def test_a_temporary_file() -> None:
    async def main() -> None:
        async with aiofiles.tempfile.TemporaryFile("w+b") as file:
            await file.write(b"content")
            await file.seek(0)
            assert await file.read() == b"content"

    run(main())
