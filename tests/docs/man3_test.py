# SPDX-License-Identifier: BSD-2-Clause
"""man3_test.py - what tools/man3 makes of a header: MAN3."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, sys.argv.pop(1))
import comment  # noqa: E402
import headers  # noqa: E402
from page import Page  # noqa: E402

HEADER = """/* SPDX */
/* vmq.h - a test. */
#define VMQ_BOX_A (1u << 0) /* a box */
#define VMQ_BOX_B (1u << 1) /* another,
                             * on two lines */

struct vmq_box {
	size_t size; /* set by the caller */
	/* Called now
	 * and then. */
	void (*look)(void *ctx, int n);
	uint32_t a, b;
};

/*
 * Open the box. Its `lid` is VMQ_BOX_* of them; see
 * vmq_shut().
 *	one   the first
 *	two   the second,
 *	      which is longer
 * Returns how many; VMQ_ENOENT (none there), VMQ_EGONE
 * or VMQ_EPEER: it broke; as vmq_other(). (S)
 */
VMQ_API int vmq_box(struct vmq *q, struct vmq_box *lid, int64_t timeout_ns);

/* Shut it. */
void vmq_shut(struct vmq *q);
void vmq_shut_all(void);

/* The other. VMQ_EBUSY. */
int vmq_other(int n);
"""
ERRORS = """/* SPDX */
/* errors.h */
#define VMQ_ERRORS(X) X(EINVAL, -1, "invalid") X(EBADF, -2, "bad") X(EAGAIN, -3, "again") \\
	X(ETIMEDOUT, -4, "late") X(ENOENT, -6, "none") X(EGONE, -7, "gone") X(EPEER, -8, "broke") \\
	X(EBUSY, -18, "in use")
"""


def api(header=HEADER):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "vmq.h").write_text(header)
        (Path(folder) / "errors.h").write_text(ERRORS)
        return headers.read(Path(folder))


class Man3(unittest.TestCase):
    def setUp(self):
        self.api = api()
        self.page = Page(self.api, "vmq_box", "today").text()

    def test_neighbours_share_a_page(self):
        self.assertEqual(self.api.functions["vmq_shut_all"].leader, "vmq_shut")
        self.assertIn(".Nm vmq_shut ,\n.Nm vmq_shut_all\n", Page(self.api, "vmq_shut", "").text())

    def test_a_function_wants_a_comment(self):
        with self.assertRaisesRegex(ValueError, "vmq_bare"):
            api(HEADER + "\nint vmq_bare(void);\n")

    def test_errors_have_their_reasons(self):
        for code, reason in (("ENOENT", "None there."), ("EGONE", "It broke."), ("EPEER", "It broke.")):
            text = self.api.errors["VMQ_" + code][1]
            self.assertIn(f".It Bq Er VMQ_{code}\n{text.capitalize()}.\n{reason}\n", self.page)

    def test_errors_of_a_function_that_it_is_like(self):
        self.assertIn(".It Bq Er VMQ_EBUSY\nIn use.\n", self.page)

    def test_errors_that_every_call_has(self):
        for code in ("EBADF", "EAGAIN", "ETIMEDOUT"):
            self.assertIn(f".It Bq Er VMQ_{code}\n", self.page)

    def test_what_it_returns_is_no_description(self):
        description = self.page.split(".Sh DESCRIPTION")[1].split(".Sh")[0]
        self.assertNotIn("how many", description)
        self.assertIn(".Sh RETURN VALUES\nReturns how many.\n", self.page)

    def test_lists(self):
        self.assertIn(".It Li one\nthe first\n.It Li two\nthe second, which is longer\n.El", self.page)

    def test_names_are_macros(self):
        self.assertIn("Its\n.Fa lid\nis\n.Dv VMQ_BOX_*\nof them; see\n.Xr vmq_shut 3 .\n", self.page)

    def test_structs_and_constants_are_shown(self):
        self.assertIn(".It Fa \"void (*look)(void *ctx, int n)\"\nCalled now and then.\n", self.page)
        self.assertIn(".It Fa \"uint32_t a\" , Fa b\n", self.page)
        self.assertIn(".It Dv VMQ_BOX_B\nanother, on two lines\n", self.page)

    def test_threads(self):
        self.assertIn(".Sh THREADS\nA sending function", self.page)
        self.assertNotIn("(S)", self.page)
        parsed = comment.parse("Copy it. (A; without X, late)")
        self.assertEqual((parsed.mark, parsed.more), ("A", "without X, late"))


if __name__ == "__main__":
    unittest.main()
