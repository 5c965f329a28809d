"""The program behind a `Window`: shows pictures that come by standard input in a window, by Tk.

It is one of its own because Xlib ends the process whose display has gone. A picture: width and height as two 32-bit numbers,
then RGB. On standard output "open", or why not, and a dot a picture that was shown; it ends with its input, or by its user.

    python -m rtcengine.media.screen TITLE
"""

from __future__ import annotations

import queue
import struct
import sys
import threading
from typing import Any, BinaryIO

HEAD = struct.Struct("=II")
POLL_MS = 5

Picture = tuple[int, int, bytes]


class Screen:
    """The window."""

    def __init__(self, title: str, pictures: queue.Queue[Picture | None]) -> None:
        import tkinter

        self._pictures = pictures
        self._root = tkinter.Tk(className="rtcengine")
        self._root.title(title)
        self._photo: Any = tkinter.PhotoImage(master=self._root)
        self._zoomed: Any = None  # Tk keeps no reference of its own
        self._label = tkinter.Label(self._root, image=self._photo, background="black", borderwidth=0)
        self._label.pack(expand=True, fill="both")

    def run(self) -> None:
        """Until its user closes it, or there are no more pictures."""
        self._look()
        self._root.mainloop()

    def _look(self) -> None:
        try:
            picture = self._pictures.get_nowait()
        except queue.Empty:
            self._root.after(POLL_MS, self._look)
            return
        if picture is None:
            self._root.destroy()
            return
        self._show(*picture)
        self._root.update_idletasks()
        print(".", end="", flush=True)
        self._root.after(1, self._look)

    def _show(self, width: int, height: int, rgb: bytes) -> None:
        self._photo.configure(data=b"P6 %d %d 255\n" % (width, height) + rgb, format="PPM")
        times = max(1, min(self._root.winfo_width() // width, self._root.winfo_height() // height))
        self._zoomed = self._photo.zoom(times) if times > 1 else self._photo
        self._label.configure(image=self._zoomed)


def read(source: BinaryIO, pictures: queue.Queue[Picture | None]) -> None:
    while len(head := source.read(HEAD.size)) == HEAD.size:
        width, height = HEAD.unpack(head)
        rgb = source.read(3 * width * height)
        if len(rgb) < 3 * width * height:
            break
        pictures.put((width, height, rgb))
    pictures.put(None)


def main() -> int:
    pictures: queue.Queue[Picture | None] = queue.Queue(2)
    try:
        screen = Screen(sys.argv[1], pictures)
    except Exception as error:  # no Tk, no display: whoever has started this tells it
        print(error, flush=True)
        return 1
    print("open", flush=True)
    threading.Thread(target=read, args=(sys.stdin.buffer, pictures), daemon=True).start()
    screen.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
