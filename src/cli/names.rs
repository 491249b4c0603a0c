//! The names of a registry's repositories, in little memory.

/// Names in their order. A text of lines takes a quarter of what a list of texts does, and a registry can hold 100,000.
#[derive(Debug, Default)]
pub(crate) struct Names {
    lines: String,
    number: usize,
}

impl Names {
    pub(crate) fn len(&self) -> usize {
        self.number
    }

    /// Puts them in the order of the alphabet: ECR promises none.
    pub(crate) fn sort(&mut self) {
        if self.lines.lines().is_sorted() {
            return;
        }
        let mut names = self.lines.lines().collect::<Vec<_>>();
        names.sort_unstable();
        self.lines = names.into_iter().flat_map(|name| [name, "\n"]).collect();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.lines.lines()
    }
}

impl Extend<String> for Names {
    fn extend<I: IntoIterator<Item = String>>(&mut self, names: I) {
        for name in names {
            self.lines += &name;
            self.lines.push('\n');
            self.number += 1;
        }
    }
}
