"""What people see: tables and progress bars on a pseudo-terminal."""

import fcntl
import os
import pty
import re
import struct
import termios

import harness

ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class TerminalTest(harness.TestCase):
    def on_terminal(self, width, *arguments):
        """What a command writes to a terminal of this many columns."""
        pid, terminal = pty.fork()
        if pid == 0:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
            os.execve(harness.CLI, [harness.CLI, *map(str, arguments)], {"TERM": "xterm", "LC_ALL": "C.UTF-8"})
        out = b""
        try:
            while chunk := os.read(terminal, 65536):
                out += chunk
        except OSError:  # EIO: how Linux says that the other side is closed
            pass
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0, out)
        return out.decode().replace("\r\n", "\n")

    def table(self, width, *arguments):
        """A table without colours, no line wider than the terminal."""
        text = ESCAPES.sub("", self.on_terminal(width, *arguments, "--quiet")).split("\n320 tensors, ")[0]
        for line in text.splitlines():
            self.assertLessEqual(len(line), width, line)
        return text

    def test_a_plan_shows_names_and_numbers_and_why_at_any_width(self):
        for width in (80, 120, 400):
            with self.subTest(width=width):
                text = self.table(width, "plan", "resnet50")
                header = text.splitlines()[0].split()
                for title in ("TENSOR", "SHAPE", "MEAN", "STD"):
                    self.assertIn(title, header)
                self.assertRegex(text, r"layer4\.2\.conv2\.weight +\[512, 512, 3, 3\] .* 0 +0\.0208333")
                self.assertIn("fan_out = 4608", text)
                self.assertIn("kaiming_normal(mode=FAN_OUT", text)

    def test_a_model_shows_expected_and_measured_std_at_any_width(self):
        for width in (80, 120, 400):
            with self.subTest(width=width):
                text = self.table(width, "model", "resnet50", "--seed", 42, "--only", r"layer1\..*conv\d\.weight")
                header = text.splitlines()[0].split()
                self.assertEqual(header.count("EXPECTED"), 2)
                self.assertIn("STD", header)
                # Expected: sqrt(2 / (64 * 9)).
                self.assertRegex(text, r"layer1.*conv2\.weight .* 0 +0\.0[56]\d+ +0\.05893\b")
                self.assertEqual("MIN" in header, width > 80)

    def test_a_progress_bar_is_drawn_at_once_and_leaves_its_line(self):
        frames = self.on_terminal(80, "model", "resnet50", "-o", self.path("m.safetensors"))
        self.assertIn("]   0%", frames)
        lines = ESCAPES.sub("", frames).splitlines()
        self.assertTrue(any("] 100%  102.4 MB of 102.4 MB" in line for line in lines), lines)

    def test_quiet_work_shows_no_bar(self):
        quiet = self.on_terminal(80, "model", "resnet50", "-o", self.path("m.safetensors"), "--quiet")
        self.assertEqual(quiet, "")


if __name__ == "__main__":
    harness.main()
