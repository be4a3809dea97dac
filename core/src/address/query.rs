//! Options in the query of a URL, as the table has them.

use super::asked::Asked;
use super::table::{OptionRow, OPTIONS};
use super::values::Place;
use super::{Scheme, Source};
use crate::base::error::Result;

/// Sets what the query asks for, over what was asked beside the URL.
pub(super) fn read(source: Source<'_>, place: Place<'_>, query: &str, asked: &mut Asked) -> Result<()> {
    let mut begun: Vec<&str> = Vec::new();
    for (option, name, value) in split(query) {
        let row = source.row(place.0, name).ok_or_else(|| source.wrong(unknown(source, place.0, option)))?;
        // An option that can be given several times replaces all that was asked beside the URL.
        if !begun.contains(&row.name) {
            (row.at)(asked).forget();
            begun.push(row.name);
        }
        (row.set)(asked, value).ok_or_else(|| source.wrong(malformed(row, option)))?;
        if let Some(why) = (row.fault)(asked, place) {
            return Err(source.wrong(format_args!("option {option:?}: {why}")));
        }
    }
    Ok(())
}

/// Checks options that did not come in the query, and so are named as members.
pub(super) fn check_members(source: Source<'_>, place: Place<'_>, asked: &mut Asked) -> Result<()> {
    let scheme = place.0;
    for row in OPTIONS.iter().filter(|row| row.is_given(asked)).collect::<Vec<_>>() {
        let member = row.member;
        if !source.role.knows(row, scheme) {
            let what = format_args!("the option {member} does not apply to the scheme {scheme}");
            return Err(source.wrong(what));
        }
        if let Some(why) = (row.fault)(asked, place) {
            return Err(source.wrong(format_args!("the option {member}: {why}")));
        }
    }
    Ok(())
}

impl Source<'_> {
    /// The option of that name, if addresses for this purpose and of this scheme have it.
    fn row(self, scheme: Scheme, name: &str) -> Option<&'static OptionRow> {
        OPTIONS.iter().find(|row| row.name == name && self.role.knows(row, scheme))
    }
}

fn unknown(source: Source<'_>, scheme: Scheme, option: &str) -> String {
    let known = OPTIONS.iter().filter(|row| source.role.knows(row, scheme));
    let known = known.map(|row| row.name).collect::<Vec<_>>().join(", ");
    format!("unknown option {option:?} for the scheme {scheme} (known: {known})")
}

fn malformed(row: &OptionRow, option: &str) -> String {
    let OptionRow { name, form, value, .. } = row;
    format!("malformed option {option:?}: the form is {name}={form}, {value}")
}

/// The options in a query: the whole, the name and the value of each.
fn split(query: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    query.split('&').filter(|option| !option.is_empty()).map(|option| {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        (option, name, value)
    })
}
