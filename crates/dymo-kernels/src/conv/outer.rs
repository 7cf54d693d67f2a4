//! The gradient of a convolution's weights, `dW[i, j, c, f] += Σ image[y·s + i − p, x·s + j − p, c] · dmap[y, x, f]`, without
//! patches: a tile of a window row times one or two vectors of filters stays in registers while all pixels pass by.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::Geometry;
use crate::layer::tile::{Level, add};
use crate::layer::{LINE, Line};
use crate::memory::with_layout;

/// Elements of a window row that the largest tile takes.
const TILE: usize = 12;
/// Floats of a map's panel that pass by before the next tile begins: half of the nearest cache.
const NEAR: usize = 6 * 1024;

/// Adds to the gradient of a convolution's weights.
#[derive(Debug, Clone)]
pub(super) struct Outer {
    g: Geometry,
    level: Level,
    /// Images that pass by one tile before the next begins.
    group: usize,
    /// For each row of the window where its elements begin in a group of images, and the pixels of the maps that they meet.
    meetings: Vec<Vec<(usize, usize)>>,
}

impl Outer {
    pub fn new(g: &Geometry) -> Self {
        Self::on(g, Level::detect())
    }

    pub fn on(g: &Geometry, level: Level) -> Self {
        let group = (NEAR / (g.pixels() * 2 * level.lanes())).clamp(1, g.batch.max(1));
        let mut outer = Self { g: *g, level, group, meetings: Vec::new() };
        outer.meetings = (0..g.kernel).map(|i| outer.meetings_of(i)).collect();
        outer
    }

    fn meetings_of(&self, i: usize) -> Vec<(usize, usize)> {
        let (g, row) = (&self.g, self.row());
        let mut meetings = Vec::new();
        for (n, y) in (0..self.group).flat_map(|n| (0..g.map_height()).map(move |y| (n, y))) {
            let Some(source) = g.source(y, i, g.height) else { continue };
            meetings.extend((0..g.map_width()).map(|x| {
                let at = (n * g.height + source) * row + x * g.stride * g.channels;
                (at, n * g.pixels() + y * g.map_width() + x)
            }));
        }
        meetings
    }

    /// Floats of a row of an image with the zeros left and right of it.
    fn row(&self) -> usize {
        (self.g.width + 2 * self.g.padding) * self.g.channels
    }

    /// Floats of a row of the sums: the filters, filled up to whole vectors.
    pub fn width(&self) -> usize {
        self.level.padded(self.g.filters)
    }

    /// Floats of the sums `[k, k, channels, width]`.
    pub fn len(&self) -> usize {
        self.g.patch_size() * self.width()
    }

    /// Adds what some `images` and gradients of their `maps` say to `sums`.
    pub fn add(&self, images: &[f32], maps: &[f32], sums: &mut [f32]) {
        let g = &self.g;
        let count = maps.len() / g.map_size();
        assert_eq!((images.len(), maps.len()), (count * g.image_size(), count * g.map_size()), "images and their maps");
        assert_eq!(sums.len(), self.len(), "sums of a weight gradient {g:?}");
        // Zeros left and right of an image, and something to read behind the last window row of a narrow one.
        let row = self.row();
        let as_it_is = g.padding == 0 && g.kernel * g.channels >= TILE;
        let framed = if as_it_is { 0 } else { count * g.height * row + TILE };
        let panel = self.group * g.pixels() * 2 * self.level.lanes();
        with_layout(framed + panel + LINE, |scratch| {
            let (framed, rest) = scratch.split_at_mut(framed);
            let panel = &mut bytemuck::cast_slice_mut(bytemuck::pod_align_to_mut::<f32, Line>(rest).1)[..panel];
            if !as_it_is {
                frame(g, images, framed);
            }
            let images = if as_it_is { images } else { &*framed };
            for (index, maps) in maps.chunks(self.group * g.map_size()).enumerate() {
                let images = &images[index * self.group * g.height * row..];
                let group = Group { it: self, images, maps, panel };
                match self.level {
                    // Without the instruction a fused multiplication would be a call.
                    Level::Portable => Pass::<false> { group, sums }.with_simd(pulp::Scalar256b),
                    Level::Vectors(arch) => arch.dispatch(Pass::<true> { group, sums }),
                    #[cfg(test)]
                    Level::Wide => Pass::<false> { group, sums }.with_simd(pulp::Scalar512b),
                }
            }
        });
    }
}

/// Copies images with zeros left and right of each row.
fn frame(g: &Geometry, images: &[f32], framed: &mut [f32]) {
    let (row, edge) = (g.width * g.channels, g.padding * g.channels);
    let (rows, slack) = framed.split_at_mut(images.len() / row * (row + 2 * edge));
    for (framed, image) in rows.chunks_exact_mut(row + 2 * edge).zip(images.chunks_exact(row)) {
        framed[..edge].fill(0.0);
        framed[edge..edge + row].copy_from_slice(image);
        framed[edge + row..].fill(0.0);
    }
    slack.fill(0.0);
}

/// Some images and their maps, few enough that a panel of the maps stays in the nearest cache.
struct Group<'a> {
    it: &'a Outer,
    /// From the first of them on, rows of [`Outer::row`] floats.
    images: &'a [f32],
    maps: &'a [f32],
    /// Room for some filters of every pixel of the maps, side by side: in the maps they would stand so far apart that they would
    /// push one another out of the cache.
    panel: &'a mut [f32],
}

impl Group<'_> {
    /// Takes those filters of the maps.
    fn take(&mut self, filters: &Range<usize>) {
        let all = self.it.g.filters;
        let there = filters.start..filters.end.min(all);
        for (taken, pixel) in self.panel.chunks_exact_mut(filters.len()).zip(self.maps.chunks_exact(all)) {
            taken[..there.len()].copy_from_slice(&pixel[there.clone()]);
            taken[there.len()..].fill(0.0);
        }
    }
}

struct Pass<'a, const FUSED: bool> {
    group: Group<'a>,
    sums: &'a mut [f32],
}

impl<const FUSED: bool> WithSimd for Pass<'_, FUSED> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { mut group, sums } = self;
        let g = group.it.g;
        let line = g.kernel * g.channels;
        for panel in group.it.level.panels(g.filters) {
            group.take(&panel);
            let one = panel.len() <= S::F32_LANES;
            // Sums, two vectors of the map and a value have to fit the registers.
            let large = one || S::F32_LANES == 16 || S::REGISTER_COUNT >= 32;
            let tile = if large { TILE } else { TILE / 2 };
            for i in 0..g.kernel {
                for from in (0..line).step_by(tile) {
                    // The last tile of a row begins earlier, so that it stays inside; what another has done is left out.
                    let first = if line >= TILE { from.min(line - tile) } else { from };
                    let place = Place { i, first, new: from - first..tile.min(line - first), filter: panel.start };
                    match (one, large) {
                        (true, _) => tile_12x1::<S, FUSED>(simd, &group, &place, sums),
                        (false, true) => tile_12x2::<S, FUSED>(simd, &group, &place, sums),
                        (false, false) => tile_6x2::<S, FUSED>(simd, &group, &place, sums),
                    }
                }
            }
        }
    }
}

/// Where a tile lies in the weights.
struct Place {
    /// Row of the window.
    i: usize,
    /// First element of that row, `[k, channels]`.
    first: usize,
    /// Which of the tile's elements are added to the sums.
    new: Range<usize>,
    filter: usize,
}

/// Every sum has a name of its own: an array of them would live in memory.
macro_rules! tile {
    ($name:ident, $rows:literal rows, $vectors:literal vectors, $($row:literal: $($sum:ident $v:literal),+;)+) => {
        #[inline(always)]
        fn $name<S: Simd, const FUSED: bool>(simd: S, group: &Group<'_>, place: &Place, sums: &mut [f32]) {
            let (g, width) = (&group.it.g, group.it.width());
            let images = &group.images[place.first..];
            let panel = S::as_simd_f32s(group.panel).0.as_chunks::<$vectors>().0;
            let meetings = &group.it.meetings[place.i];
            $($(let mut $sum = simd.splat_f32s(0.0);)+)+
            let count = group.maps.len() / g.map_size();
            for (at, pixel) in &meetings[..meetings.len() / group.it.group * count] {
                let values = &images[*at..][..$rows];
                let slopes = &panel[*pixel];
                $(
                    let value = simd.splat_f32s(values[$row]);
                    $($sum = add::<S, FUSED>(simd, value, slopes[$v], $sum);)+
                )+
            }
            let at = (place.i * g.kernel * g.channels + place.first) * width + place.filter;
            $(
                if place.new.contains(&$row) {
                    let held = &mut sums[at + $row * width..][..$vectors * S::F32_LANES];
                    let held = S::as_mut_simd_f32s(held).0;
                    $(held[$v] = simd.add_f32s(held[$v], $sum);)+
                }
            )+
        }
    };
}

tile!(tile_6x2, 6 rows, 2 vectors,
    0: a0 0, a1 1; 1: b0 0, b1 1; 2: c0 0, c1 1; 3: d0 0, d1 1; 4: e0 0, e1 1; 5: f0 0, f1 1;);
tile!(tile_12x2, 12 rows, 2 vectors,
    0: a0 0, a1 1; 1: b0 0, b1 1; 2: c0 0, c1 1; 3: d0 0, d1 1; 4: e0 0, e1 1; 5: f0 0, f1 1;
    6: g0 0, g1 1; 7: h0 0, h1 1; 8: i0 0, i1 1; 9: j0 0, j1 1; 10: k0 0, k1 1; 11: l0 0, l1 1;);
tile!(tile_12x1, 12 rows, 1 vectors,
    0: a0 0; 1: b0 0; 2: c0 0; 3: d0 0; 4: e0 0; 5: f0 0; 6: g0 0; 7: h0 0; 8: i0 0; 9: j0 0; 10: k0 0; 11: l0 0;);
