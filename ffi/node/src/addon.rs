//! What Node calls when it loads the addon, and for `open`.
#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use napi_sys as sys;

use crate::js::{Env, Value, arguments};
use crate::open::open;

/// What Node calls for `open`: throws, or gives the recorder.
unsafe extern "C" fn call_open(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    // SAFETY: as Node gave them.
    let (values, _) = unsafe { arguments(env, info) };
    let env = Env(env);
    let opened = catch_unwind(AssertUnwindSafe(|| open(&env, &values)));
    match opened.map_err(std::mem::forget) {
        Ok(Ok(recorder)) => return recorder.0,
        Ok(Err(refusal)) => env.throw(refusal.code, &refusal.message),
        Err(()) => env.throw("BROKEN", "the recorder failed while it was being opened"),
    }
    ptr::null_mut()
}

/// Node calls this when it loads the addon.
#[unsafe(no_mangle)]
unsafe extern "C" fn napi_register_module_v1(
    env: sys::napi_env,
    exports: sys::napi_value,
) -> sys::napi_value {
    let env = Env(env);
    let function = env.function("open", call_open, ptr::null_mut());
    if let Some(function) = function {
        let _ = env.set(Value(exports), "open", function);
    }
    exports
}
