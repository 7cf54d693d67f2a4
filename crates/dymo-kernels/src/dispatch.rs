//! One loop, three compilations.

/// Compiles a loop three times, plainly, with AVX2 and FMA, and with AVX-512, and picks at run time. The two-path form names the bodies apart, for
/// loops that spell a fused multiply-add which must not become a library call on the plain route.
macro_rules! dispatch {
    ($wide:ident, $body:path, ($($arg:ident : $ty:ty),* $(,)?)) => {
        dispatch!($wide, $body, $body, ($($arg: $ty),*))
    };
    ($wide:ident, $fused:path, $plain:path, ($($arg:ident : $ty:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn widest($($arg: $ty),*) {
                $fused($($arg),*);
            }
            #[target_feature(enable = "avx2,fma")]
            fn $wide($($arg: $ty),*) {
                $fused($($arg),*);
            }
            if crate::dispatch::avx512() {
                // SAFETY: all of them were detected on this processor just now.
                return unsafe { widest($($arg),*) };
            }
            if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
                // SAFETY: both features were detected on this processor just now.
                return unsafe { $wide($($arg),*) };
            }
        }
        $plain($($arg),*)
    }};
}

pub(crate) use dispatch;

/// What processors have had of AVX-512 from the first server generation on.
#[cfg(target_arch = "x86_64")]
pub(crate) fn avx512() -> bool {
    std::is_x86_feature_detected!("avx512f")
        && std::is_x86_feature_detected!("avx512bw")
        && std::is_x86_feature_detected!("avx512dq")
        && std::is_x86_feature_detected!("avx512vl")
        && std::is_x86_feature_detected!("fma")
}

/// `a·b + c`, rounded once where the caller was compiled for it.
#[inline(always)]
pub(crate) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// The polynomial `c[0] + x·(c[1] + x·(…))`.
#[inline(always)]
pub(crate) fn polynomial<const FUSED: bool, const N: usize>(x: f32, c: [f32; N]) -> f32 {
    let mut sum = c[N - 1];
    for i in (0..N - 1).rev() {
        sum = multiply_add::<FUSED>(sum, x, c[i]);
    }
    sum
}
