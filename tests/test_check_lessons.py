"""scripts/check-lessons: each promise of the lessons' sameness, with a fault planted against it."""
import kit


class CheckLessons(kit.Case):
    """The check, in a copy of the tree."""

    def plant(self, name, old, new):
        """Replace old by new in a file of a copy of the tree; return what the check prints."""
        tree = self.scratch_tree()
        path = tree / name
        text = path.read_text(encoding="utf-8")
        self.assertIn(old, text)
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        status, out, err = self.run_program([str(tree / "scripts" / "check-lessons")])
        self.assertEqual((status, err), (1, ""))
        return out

    def test_nothing_to_say_about_the_lessons_as_they_are(self):
        self.assertEqual(self.run_program([str(kit.ROOT / "scripts" / "check-lessons")]), (0, "", ""))

    def test_a_helper_that_differs_in_one_letter(self):
        out = self.plant("03_threaded/client.c", "taken == -1 && errno != EINTR", "taken == -1 || errno != EINTR")
        self.assertIn("send_all: not the same in 01_basic/client.c and 03_threaded/client.c", out)

    def test_a_helper_of_the_python_versions(self):
        out = self.plant("02_echo_loop/server.py", "surrogateescape", "strict")
        self.assertIn("not the same in", out)

    def test_a_comment_above_a_helper(self):
        self.assertIn("shown: not the same", self.plant("02_echo_loop/server.c", "bytes on one line", "bytes in one line"))

    def test_a_makefile_of_its_own(self):
        out = self.plant("05_udp/Makefile", "-O2", "-O3")
        self.assertIn("05_udp/Makefile: not the same", out)

    def test_a_step_that_is_too_large(self):
        out = self.plant("02_echo_loop/server.c", "int main(", "/*\n" + " * and on\n" * 40 + " */\nint main(")
        self.assertIn("step to 02: ", out)

    def test_a_line_of_serve_client_that_lesson_03_changes(self):
        out = self.plant("03_threaded/server.c", "%s finished\\n", "%s has finished\\n")
        self.assertIn("serve_client: lesson 03 changes lines", out)

    def test_other_steps_in_python(self):
        out = self.plant("03_threaded/server.py", "# 4. accept", "# 5. accept")
        self.assertIn("03_threaded/server.py: steps", out)

    def test_a_program_that_is_too_long(self):
        for name, limit in ("05_udp/client.c", 160), ("04_http_get/client.c", 190), ("04_http_get/server.c", 300):
            out = self.plant(name, "int main(", "/* */\n" * 150 + "int main(")
            self.assertRegex(out, rf"{name}: \d+ lines of its own \({limit} at most\)")

    def test_a_module_that_hides_the_sockets(self):
        for line in "import http.client", "import os, http.client", "from http.client import HTTPConnection":
            out = self.plant("04_http_get/client.py", "import os\n", line + "\n")
            self.assertIn("04_http_get/client.py: imports http.client, and may import: ", out)

    def test_a_missing_twin(self):
        tree = self.scratch_tree()
        (tree / "01_basic" / "client.py").unlink()
        self.assertIn("01_basic/client.py: missing",
                      self.run_program([str(tree / "scripts" / "check-lessons")])[1])
