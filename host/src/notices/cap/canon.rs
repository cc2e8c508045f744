//! The one way to write an element that everybody arrives at: exclusive canonical XML 1.0 without comments (W3C, 18 July 2002). What is signed is this.
//! Must not know: what the elements mean, who signs.

use super::xml::{BYTES_MAX, Child, Element};

/// Longest text: namespaces are said again where they are used, and a few bytes may ask for very many.
const TEXT_MAX: usize = 4 * BYTES_MAX;

/// `element` with all in it but `without`. `around`: the elements it stands in, outermost first; what they declare holds here.
pub(super) fn canonical<'a>(
    element: &'a Element,
    around: &[&'a Element],
    without: Option<&'a Element>,
) -> Result<String, String> {
    let declared = around.iter().flat_map(|element| &element.declared);
    let declared = declared.map(|(prefix, space)| (prefix.as_str(), space.as_str())).collect();
    let mut canon = Canon { text: String::new(), declared, shown: Vec::new(), without };
    canon.element(element)?;
    Ok(canon.text)
}

struct Canon<'a> {
    text: String,
    /// What holds here, innermost last.
    declared: Vec<(&'a str, &'a str)>,
    /// What the text already says, innermost last.
    shown: Vec<(&'a str, &'a str)>,
    without: Option<&'a Element>,
}

fn innermost<'a>(all: &[(&'a str, &'a str)], prefix: &str) -> Option<&'a str> {
    all.iter().rev().find(|(known, _)| *known == prefix).map(|(_, space)| *space)
}

impl<'a> Canon<'a> {
    fn element(&mut self, element: &'a Element) -> Result<(), String> {
        let (declared, shown) = (self.declared.len(), self.shown.len());
        self.declared.extend(element.declared.iter().map(|(prefix, space)| (prefix.as_str(), space.as_str())));
        self.text.push_str(&format!("<{}", element.name));
        self.namespaces(element)?;
        for (name, value) in self.sorted(element)? {
            self.text.push_str(&format!(" {name}=\""));
            self.escaped(value, true);
            self.text.push('"');
        }
        self.text.push('>');
        for child in &element.children {
            match child {
                Child::Element(inner) if self.without.is_some_and(|left_out| std::ptr::eq(inner, left_out)) => {}
                Child::Element(inner) => self.element(inner)?,
                Child::Text(text) => self.escaped(text, false),
            }
        }
        self.text.push_str(&format!("</{}>", element.name));
        self.declared.truncate(declared);
        self.shown.truncate(shown);
        if self.text.len() > TEXT_MAX { Err(format!("its canonical form has more than {TEXT_MAX} bytes")) } else { Ok(()) }
    }

    /// Says the namespaces that this element's own names use and that the text does not say already.
    fn namespaces(&mut self, element: &'a Element) -> Result<(), String> {
        let prefix_of = |name: &'a str| name.split_once(':').map(|(prefix, _)| prefix);
        let mut used: Vec<&str> = element.attributes.iter().filter_map(|(name, _)| prefix_of(name)).collect();
        used.push(prefix_of(&element.name).unwrap_or_default());
        used.retain(|prefix| *prefix != "xml");
        used.sort_unstable();
        used.dedup();
        for prefix in used {
            let holds = self.space(prefix)?;
            if innermost(&self.shown, prefix).unwrap_or_default() != holds {
                self.shown.push((prefix, holds));
                self.text.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
                self.text.push_str(prefix);
                self.text.push_str("=\"");
                self.escaped(holds, true);
                self.text.push('"');
            }
        }
        Ok(())
    }

    fn space(&self, prefix: &str) -> Result<&'a str, String> {
        match innermost(&self.declared, prefix) {
            Some(space) => Ok(space),
            None if prefix.is_empty() => Ok(""),
            None => Err(format!("the prefix {prefix:?} is not declared")),
        }
    }

    /// By namespace, then by name; those without a prefix have no namespace.
    fn sorted(&self, element: &'a Element) -> Result<Vec<(&'a str, &'a str)>, String> {
        let key = |(name, value): &'a (String, String)| {
            let (space, local) = match name.split_once(':') {
                Some(("xml", local)) => ("http://www.w3.org/XML/1998/namespace", local),
                Some((prefix, local)) => (self.space(prefix)?, local),
                None => ("", name.as_str()),
            };
            Ok((space, local, name.as_str(), value.as_str()))
        };
        let mut all: Vec<_> = element.attributes.iter().map(key).collect::<Result<_, String>>()?;
        all.sort_unstable();
        if all.windows(2).any(|two| (two[0].0, two[0].1) == (two[1].0, two[1].1)) {
            return Err(format!("<{}> has one attribute twice", element.name));
        }
        Ok(all.into_iter().map(|(_, _, name, value)| (name, value)).collect())
    }

    fn escaped(&mut self, text: &str, in_attribute: bool) {
        for c in text.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' if !in_attribute => self.text.push_str("&gt;"),
                '\r' => self.text.push_str("&#xD;"),
                '"' if in_attribute => self.text.push_str("&quot;"),
                '\t' if in_attribute => self.text.push_str("&#x9;"),
                '\n' if in_attribute => self.text.push_str("&#xA;"),
                c => self.text.push(c),
            }
        }
    }
}
