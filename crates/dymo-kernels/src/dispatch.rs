//! One loop, two compilations.

/// Compiles a loop twice, plainly and with AVX2 and FMA, and picks at run time. The two-path form names the bodies apart, for
/// loops that spell a fused multiply-add which must not become a library call on the plain route.
macro_rules! dispatch {
    ($wide:ident, $body:path, ($($arg:ident : $ty:ty),* $(,)?)) => {
        dispatch!($wide, $body, $body, ($($arg: $ty),*))
    };
    ($wide:ident, $fused:path, $plain:path, ($($arg:ident : $ty:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2,fma")]
            fn $wide($($arg: $ty),*) {
                $fused($($arg),*);
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
