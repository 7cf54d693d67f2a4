//! The machine, for pages of results.

/// Its processor: model, cores, and the vector instructions that the kernels know.
pub(crate) fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let text = info.lines().find(|line| line.starts_with(name)).and_then(|line| line.split(':').nth(1));
        text.unwrap_or("unknown").trim().to_owned()
    };
    let flags = field("flags");
    let has = |flag: &str| flags.split(' ').any(|f| f == flag);
    let wide = ["avx2", "fma", "avx512f"].into_iter().filter(|f| has(f)).collect::<Vec<_>>().join(", ");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{}, {cores} cores, {wide}", field("model name"))
}
