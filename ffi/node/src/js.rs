//! Calls into Node and calls from Node. `addon` and this module have all unsafe code.
//!
//! Invariants: an [`Env`] and its [`Value`]s do not outlive the call from Node that
//! created them. Every function passed to JavaScript owns its [`Bound`], which Node
//! returns once, when nobody can call the function any more. No panic leaves an `extern
//! "C" fn`.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

use napi_sys as sys;
use thiserror::Error;

/// Most arguments of a call. A missing one is `undefined`.
const ARGUMENTS: usize = 5;
/// Up to this length the buffer is sized for the worst case: three bytes for each UTF-16
/// unit. V8 then writes in one pass. Longer texts are counted first.
const WORST_CASE_UNITS: usize = 64 << 10;

/// A value of JavaScript. Only Node creates one.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Value(pub(crate) sys::napi_value);

/// Reasons why the text of a value was not read.
#[derive(Debug, Error)]
pub(crate) enum Unread {
    #[error("the entry is not a string: only strings of JSON are recorded")]
    NotText,
    #[error("no memory for an entry of up to {bytes} bytes", bytes = .0)]
    NoMemory(usize),
}

/// Node's environment during one call.
pub(crate) struct Env(pub(crate) sys::napi_env);

/// An object whose methods JavaScript calls.
pub(crate) trait Receiver {
    /// Called after a method panicked. The receiver's state cannot be trusted any more.
    fn break_off(&self);
}

pub(crate) type Method<T> = fn(&T, &Env, &[Value]) -> Option<Value>;

/// Method and receiver of a function of JavaScript.
struct Bound<T> {
    method: Method<T>,
    receiver: Rc<T>,
}

impl Env {
    /// Reads a string as UTF-8 into the buffer, which is cleared first. Lone surrogates
    /// become U+FFFD.
    pub(crate) fn read_text(&self, value: Value, buffer: &mut Vec<u8>) -> Result<(), Unread> {
        let units = self.units(value).ok_or(Unread::NotText)?;
        let most = match units {
            ..=WORST_CASE_UNITS => units * 3,
            _ => self
                .write_text(value, ptr::null_mut(), 0)
                .ok_or(Unread::NotText)?,
        };
        // Node ends the text with a NUL, and cuts it if there is no room.
        let room = most + 1;
        buffer.clear();
        let reserved = buffer.try_reserve(room);
        reserved.map_err(|_| Unread::NoMemory(room))?;
        let written = self.write_text(value, buffer.as_mut_ptr().cast(), room);
        let written = written.ok_or(Unread::NotText)?;
        // SAFETY: `room` bytes were reserved, and Node wrote `written` < `room` of them.
        unsafe { buffer.set_len(written.min(most)) };
        Ok(())
    }

    /// Length of a string in UTF-16 units; `None` if the value is not a string.
    fn units(&self, value: Value) -> Option<usize> {
        let mut units = 0;
        // SAFETY: env and value are of this call; without a buffer Node only counts.
        let status = unsafe {
            sys::napi_get_value_string_utf16(self.0, value.0, ptr::null_mut(), 0, &raw mut units)
        };
        (status == sys::Status::napi_ok).then_some(units)
    }

    /// Number of bytes written before the NUL. Without a buffer: number of bytes that the
    /// text needs.
    fn write_text(&self, value: Value, buffer: *mut c_char, room: usize) -> Option<usize> {
        let mut written = 0;
        // SAFETY: env and value are of this call; the buffer has `room` bytes, or is null.
        let status = unsafe {
            sys::napi_get_value_string_utf8(self.0, value.0, buffer, room, &raw mut written)
        };
        (status == sys::Status::napi_ok).then_some(written)
    }

    /// A string; empty for any other value.
    pub(crate) fn setting(&self, value: Option<&Value>) -> String {
        let mut text = Vec::new();
        if let Some(value) = value {
            let _ = self.read_text(*value, &mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(crate) fn text(&self, text: &str) -> Option<Value> {
        let (bytes, length) = (text.as_ptr().cast(), text.len() as isize);
        // SAFETY: the bytes live during the call, and Node copies them.
        self.made(|made| unsafe { sys::napi_create_string_utf8(self.0, bytes, length, made) })
    }

    pub(crate) fn number(&self, number: u64) -> Option<Value> {
        // SAFETY: a plain number.
        self.made(|made| unsafe { sys::napi_create_double(self.0, number as f64, made) })
    }

    pub(crate) fn object(&self) -> Option<Value> {
        // SAFETY: no arguments but the env of this call.
        self.made(|made| unsafe { sys::napi_create_object(self.0, made) })
    }

    pub(crate) fn set(&self, object: Value, name: &str, value: Value) -> Option<()> {
        let name = CString::new(name).ok()?;
        // SAFETY: object and value are of this call; Node copies the name.
        let status =
            unsafe { sys::napi_set_named_property(self.0, object.0, name.as_ptr(), value.0) };
        (status == sys::Status::napi_ok).then_some(())
    }

    /// A list of strings.
    pub(crate) fn texts(&self, texts: &[String]) -> Option<Value> {
        // SAFETY: no arguments but the env of this call.
        let list = self.made(|made| unsafe { sys::napi_create_array(self.0, made) })?;
        for (at, text) in (0..).zip(texts) {
            let text = self.text(text)?;
            // SAFETY: list and text are of this call.
            unsafe { sys::napi_set_element(self.0, list.0, at, text.0) };
        }
        Some(list)
    }

    fn made(&self, make: impl FnOnce(*mut sys::napi_value) -> sys::napi_status) -> Option<Value> {
        let mut made = ptr::null_mut();
        (make(&raw mut made) == sys::Status::napi_ok).then_some(Value(made))
    }

    /// Sets a function that calls a method of the receiver. The function keeps the
    /// receiver alive.
    pub(crate) fn set_method<T: Receiver>(
        &self,
        object: Value,
        name: &str,
        method: Method<T>,
        of: &Rc<T>,
    ) -> Option<()> {
        let receiver = Rc::clone(of);
        let bound: *mut c_void = Box::into_raw(Box::new(Bound { method, receiver })).cast();
        let function = self.function(name, call_bound::<T>, bound)?;
        // SAFETY: `function` is of this call. Node calls `drop_bound` once, when it
        // collects the function.
        unsafe {
            let (hint, reference) = (ptr::null_mut(), ptr::null_mut());
            sys::napi_add_finalizer(
                self.0,
                function.0,
                bound,
                Some(drop_bound::<T>),
                hint,
                reference,
            )
        };
        self.set(object, name, function)
    }

    /// A function of JavaScript that calls `call` with `data`.
    pub(crate) fn function(
        &self,
        name: &str,
        call: unsafe extern "C" fn(sys::napi_env, sys::napi_callback_info) -> sys::napi_value,
        data: *mut c_void,
    ) -> Option<Value> {
        let (text, length) = (name.as_ptr().cast(), name.len() as isize);
        // SAFETY: Node copies the name, and passes `data` to `call` alone.
        self.made(|made| unsafe {
            sys::napi_create_function(self.0, text, length, Some(call), data, made)
        })
    }

    /// Throws once the call returns. `code` distinguishes the causes.
    pub(crate) fn throw(&self, code: &str, message: &str) {
        let plain = |text: &str| CString::new(text.replace('\0', " ")).unwrap_or_default();
        let (code, message) = (plain(code), plain(message));
        // SAFETY: Node copies both texts.
        unsafe { sys::napi_throw_error(self.0, code.as_ptr(), message.as_ptr()) };
    }
}

/// Arguments and data of a call.
///
/// # Safety
/// `env` and `info` as Node gave them to the running call.
pub(crate) unsafe fn arguments(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> ([Value; ARGUMENTS], *mut c_void) {
    let mut values = [ptr::null_mut(); ARGUMENTS];
    let (mut count, mut data) = (ARGUMENTS, ptr::null_mut());
    // SAFETY: as promised by the caller; there is room for `count` values.
    unsafe {
        let (this, values) = (ptr::null_mut(), values.as_mut_ptr());
        sys::napi_get_cb_info(env, info, &raw mut count, values, this, &raw mut data);
    }
    (values.map(Value), data)
}

/// Node calls this for a function of [`Env::set_method`].
unsafe extern "C" fn call_bound<T: Receiver>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    // SAFETY: as Node gave them.
    let (values, data) = unsafe { arguments(env, info) };
    // SAFETY: `data` is the function's `Bound`, which lives as long as it does.
    let Some(bound) = (unsafe { data.cast::<Bound<T>>().as_ref() }) else {
        return ptr::null_mut();
    };
    let env = Env(env);
    let called = catch_unwind(AssertUnwindSafe(|| {
        (bound.method)(&bound.receiver, &env, &values)
    }));
    called
        .unwrap_or_else(|panic| {
            // The drop of a panic's payload may panic again.
            std::mem::forget(panic);
            bound.receiver.break_off();
            env.text("the recorder failed and is off")
        })
        .map_or(ptr::null_mut(), |value| value.0)
}

/// Node calls this when it collects a function of [`Env::set_method`]. `T` is the type of
/// its `Bound`.
unsafe extern "C" fn drop_bound<T>(_: sys::napi_env, bound: *mut c_void, _: *mut c_void) {
    // SAFETY: made by `set_method`, and given back once.
    let bound = unsafe { Box::from_raw(bound.cast::<Bound<T>>()) };
    let _ = catch_unwind(AssertUnwindSafe(|| drop(bound))).map_err(std::mem::forget);
}
