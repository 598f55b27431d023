//! The known name that an unknown one was probably meant to be.

/// The name that was probably meant: at most a third of its letters differ.
pub(crate) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if name.len() > 64 {
        return None;
    }
    let near = names.map(|known| (strsim::osa_distance(name, known), known));
    let (distance, near) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= (name.len().max(near.len()) / 3).max(1)).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_if_it_is_near() {
        let names = ["max_time", "cycle_time", "beta", "s_min"];
        let near = |name| nearest(name, names.into_iter());
        assert_eq!(near("max_tiem"), Some("max_time"));
        assert_eq!(near("maxtime"), Some("max_time"));
        assert_eq!(near("bete"), Some("beta"));
        assert_eq!(near("allocator"), None);
        assert_eq!(near(&"x".repeat(100)), None);
    }
}
