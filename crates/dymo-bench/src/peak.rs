//! What the machine can do at most: multiplications and additions in registers, on all threads at once.

use std::time::Instant;

use cpu_time::ThreadTime;
use rayon::prelude::*;

/// Rounds of one measurement: some hundredths of a second, several turns of a scheduler.
const ROUNDS: usize = 20_000_000;

/// Twelve independent vectors, so that the next multiplication never waits for the last.
#[inline(always)]
fn loop_body<const L: usize, const FUSED: bool>(rounds: usize) -> f32 {
    let mut sums = [[0.0f32; L]; 12];
    let (a, b) = (std::hint::black_box([1.000_000_1f32; L]), std::hint::black_box([1e-9f32; L]));
    for _ in 0..rounds {
        for sum in &mut sums {
            for i in 0..L {
                sum[i] = if FUSED { sum[i].mul_add(a[i], b[i]) } else { sum[i] * a[i] + b[i] };
            }
        }
    }
    sums.as_flattened().iter().sum()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(rounds: usize) -> f32 {
    loop_body::<8, true>(rounds)
}

/// By intrinsics: the compiler makes single numbers of sixteen lanes in a loop like the one above.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512(rounds: usize) -> f32 {
    use std::arch::x86_64::{_mm512_fmadd_ps, _mm512_reduce_add_ps, _mm512_set1_ps, _mm512_setzero_ps};
    let (a, b) = (_mm512_set1_ps(std::hint::black_box(1.000_000_1)), _mm512_set1_ps(std::hint::black_box(1e-9)));
    let mut sums = [_mm512_setzero_ps(); 12];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, a, b);
        }
    }
    let mut total = 0.0;
    for sum in sums {
        total += _mm512_reduce_add_ps(sum);
    }
    total
}

/// One thread's share: its result, and the operations that were made.
fn work(rounds: usize) -> (f32, usize) {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") {
            // SAFETY: detected just now.
            return (unsafe { avx512(rounds) }, rounds * 12 * 16 * 2);
        }
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            // SAFETY: detected just now.
            return (unsafe { avx2(rounds) }, rounds * 12 * 8 * 2);
        }
    }
    (loop_body::<8, false>(rounds), rounds * 12 * 8 * 2)
}

/// Single-precision GFLOP/s of all threads while they have a processor (what other programs take is not counted), and the
/// share of the time for which they had one.
pub fn single_precision() -> (f64, f64) {
    let threads = rayon::current_num_threads();
    let rate = |_| {
        // Threads that just woke may stand on one processor until the scheduler has looked.
        std::hint::black_box(work(ROUNDS));
        let (began, wall) = (ThreadTime::now(), Instant::now());
        let (result, operations) = work(ROUNDS);
        std::hint::black_box(result);
        let seconds = began.elapsed().as_secs_f64();
        (operations as f64 / seconds / 1e9, seconds / wall.elapsed().as_secs_f64())
    };
    let found: Vec<(f64, f64)> = (0..threads).into_par_iter().with_max_len(1).map(rate).collect();
    let share = found.iter().map(|(_, share)| share).sum::<f64>() / threads as f64;
    (found.iter().map(|(rate, _)| rate).sum(), share)
}
