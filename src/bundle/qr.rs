//! QR codes as pictures: drawn as SVG and PNG, and found again in PNG images.
//!
//! What finds codes in images is other people's code and reads hostile pixels: it runs where a panic is caught.

use std::fmt::Write as _;
use std::io::{BufReader, Cursor};
use std::panic::{AssertUnwindSafe, catch_unwind};

use fast_qr::qr::QRBuilder;
use fast_qr::{ECL, Mode, QRCode, Version};

use super::frame::Frame;

/// Modules of white around a code, as the standard asks.
const QUIET: usize = 4;
/// Pixels of one module in a PNG: at 300 dpi a code is 7 cm wide.
const MODULE_PIXELS: usize = 8;
/// Modules of the line with the caption below a code.
const CAPTION: usize = 9;
/// Most pixels of an image that is read: the largest camera of a tablet.
const PIXELS_MAX: usize = 64 << 20;
/// Most codes that are looked for in one image.
const CODES_MAX: usize = 256;

/// Why an image gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It is no PNG, or a damaged one.
    #[error("not a whole PNG image: {0}")]
    Png(String),
    /// It is larger than any photograph.
    #[error("an image of {0} pixels, more than {PIXELS_MAX}")]
    TooLarge(usize),
    /// No code is in it, or none that can be read.
    #[error("no QR code can be read in it; photograph it again, straight from above and in good light")]
    NoCode,
}

/// What is printed below a code; no patient data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caption {
    /// Whether it is a drill's.
    pub is_drill: bool,
    /// Which set, in hexadecimal digits.
    pub set: String,
    /// Which code, from 1.
    pub number: usize,
    /// Of how many.
    pub count: usize,
}

/// Makes the code of a frame.
fn code(frame: &Frame) -> QRCode {
    let mut builder = QRBuilder::new(frame.to_bytes());
    builder.mode(Mode::Byte).ecl(ECL::M);
    // The same size for every code of a sheet; a short message takes the smallest that holds it.
    if frame.count > 1 {
        builder.version(Version::V20);
    }
    builder.build().expect("a frame fits version 20 with error correction M")
}

/// Draws a frame as SVG, 70 mm wide.
pub fn svg(frame: &Frame, caption: &Caption) -> String {
    let code = code(frame);
    let size = code.size + 2 * QUIET;
    let mut path = String::new();
    for (y, row) in (0..code.size).map(|row| (row, &code[row])) {
        for x in (0..code.size).filter(|x| row[*x].value()) {
            // Writing to a String cannot fail.
            let _ = write!(path, "M{} {}h1v1h-1z", x + QUIET, y + QUIET);
        }
    }
    let Caption { is_drill, set, number, count } = caption;
    let drill = if *is_drill { "訓練 DRILL　" } else { "" };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"70mm\" viewBox=\"0 0 {size} {}\"><rect width=\"100%\" \
         height=\"100%\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/><text x=\"{}\" y=\"{}\" font-size=\"6\" \
         text-anchor=\"middle\" font-family=\"sans-serif\">{drill}Musubi {set}　{number}/{count}</text></svg>\n",
        size + CAPTION,
        size / 2,
        size + CAPTION - 3
    )
}

/// Draws a frame as a PNG in shades of grey.
///
/// # Errors
/// When the image cannot be encoded, which does not happen in memory.
pub fn png(frame: &Frame, caption: &Caption) -> Result<Vec<u8>, ImageError> {
    let code = code(frame);
    let (width, height) = (code.size + 2 * QUIET, code.size + 2 * QUIET + CAPTION);
    let mut dark = vec![false; width * height];
    for y in 0..code.size {
        for x in 0..code.size {
            dark[(y + QUIET) * width + x + QUIET] = code[y][x].value();
        }
    }
    let drill = if caption.is_drill { "DRILL " } else { "" };
    let text = format!("{drill}{} {}/{}", caption.set.to_uppercase(), caption.number, caption.count);
    for (place, letter) in text.chars().enumerate() {
        for (row, bits) in glyph(letter).into_iter().enumerate() {
            for column in (0..GLYPH_WIDTH).filter(|column| bits >> (GLYPH_WIDTH - 1 - column) & 1 == 1) {
                let (x, y) = (QUIET + place * (GLYPH_WIDTH + 1) + column, height - CAPTION + row + 1);
                if x < width {
                    dark[y * width + x] = true;
                }
            }
        }
    }
    let mut bytes = Vec::new();
    let pixels: Vec<u8> = (0..height * MODULE_PIXELS)
        .flat_map(|y| (0..width * MODULE_PIXELS).map(move |x| (x / MODULE_PIXELS, y / MODULE_PIXELS)))
        .map(|(x, y)| if dark[y * width + x] { 0 } else { 255 })
        .collect();
    let side = |modules: usize| u32::try_from(modules * MODULE_PIXELS).expect("some thousand pixels");
    let mut encoder = ::png::Encoder::new(&mut bytes, side(width), side(height));
    encoder.set_color(::png::ColorType::Grayscale);
    encoder.set_depth(::png::BitDepth::Eight);
    let failed = |error: ::png::EncodingError| ImageError::Png(error.to_string());
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// Reads the contents of all codes in a PNG image.
///
/// # Errors
/// [`ImageError`] when it is none, or no code in it can be read.
pub fn read_png(bytes: &[u8]) -> Result<Vec<Vec<u8>>, ImageError> {
    let (width, height, grey) = grey_of(bytes)?;
    let found = catch_unwind(AssertUnwindSafe(|| {
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| grey[y * width + x]);
        let grids = image.detect_grids();
        let content = |grid: &rqrr::Grid<_>| {
            let mut content = Vec::new();
            grid.decode_to(&mut content).ok().map(|_| content)
        };
        grids.iter().take(CODES_MAX).filter_map(content).collect::<Vec<_>>()
    }));
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) | Err(_) => Err(ImageError::NoCode),
    }
}

fn grey_of(bytes: &[u8]) -> Result<(usize, usize, Vec<u8>), ImageError> {
    let failed = |error: ::png::DecodingError| ImageError::Png(error.to_string());
    let limits = ::png::Limits { bytes: 4 * PIXELS_MAX };
    let mut decoder = ::png::Decoder::new_with_limits(BufReader::new(Cursor::new(bytes)), limits);
    decoder.set_transformations(::png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(failed)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    match width.checked_mul(height) {
        Some(pixels) if pixels <= PIXELS_MAX => {}
        pixels => return Err(ImageError::TooLarge(pixels.unwrap_or(usize::MAX))),
    }
    let size = reader.output_buffer_size().ok_or(ImageError::TooLarge(usize::MAX))?;
    let mut buffer = vec![0; size];
    let frame = reader.next_frame(&mut buffer).map_err(failed)?;
    let samples = frame.color_type.samples();
    let grey = |pixel: &[u8]| match *pixel {
        [grey] | [grey, _] => grey,
        [red, green, blue, ..] => {
            u8::try_from((u32::from(red) * 30 + u32::from(green) * 59 + u32::from(blue) * 11) / 100)
                .unwrap_or(255)
        }
        [] => 255,
    };
    let grey: Vec<u8> = buffer.chunks_exact(samples.max(1)).take(width * height).map(grey).collect();
    match grey.len() == width * height {
        true => Ok((width, height, grey)),
        false => Err(ImageError::Png("cut short".into())),
    }
}

const GLYPH_WIDTH: usize = 5;

/// The letters of captions, seven rows of five modules.
fn glyph(letter: char) -> [u8; 7] {
    match letter {
        '0' => [14, 17, 19, 21, 25, 17, 14],
        '1' => [4, 12, 4, 4, 4, 4, 14],
        '2' => [14, 17, 1, 6, 8, 16, 31],
        '3' => [30, 1, 1, 14, 1, 1, 30],
        '4' => [2, 6, 10, 18, 31, 2, 2],
        '5' => [31, 16, 30, 1, 1, 17, 14],
        '6' => [14, 16, 16, 30, 17, 17, 14],
        '7' => [31, 1, 2, 4, 8, 8, 8],
        '8' => [14, 17, 17, 14, 17, 17, 14],
        '9' => [14, 17, 17, 15, 1, 1, 14],
        'A' => [14, 17, 17, 31, 17, 17, 17],
        'B' => [30, 17, 17, 30, 17, 17, 30],
        'C' => [14, 17, 16, 16, 16, 17, 14],
        'D' => [30, 17, 17, 17, 17, 17, 30],
        'E' => [31, 16, 16, 30, 16, 16, 31],
        'F' => [31, 16, 16, 30, 16, 16, 16],
        'I' => [14, 4, 4, 4, 4, 4, 14],
        'L' => [16, 16, 16, 16, 16, 16, 31],
        'R' => [30, 17, 17, 30, 20, 18, 17],
        '/' => [1, 1, 2, 4, 8, 16, 16],
        _ => [0; 7],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::frame::parted;

    fn caption(frame: &Frame) -> Caption {
        let (number, count) = (usize::from(frame.number) + 1, usize::from(frame.count));
        Caption { is_drill: true, set: frame.set.to_string(), number, count }
    }

    #[test]
    fn a_drawn_code_is_read_again_byte_for_byte() {
        let message: Vec<u8> = (0..1_500_u32).map(|at| (at * 31 % 251) as u8).collect();
        for frame in parted(&message).unwrap() {
            let image = png(&frame, &caption(&frame)).unwrap();
            assert_eq!(read_png(&image).unwrap(), [frame.to_bytes()]);
            let drawn = svg(&frame, &caption(&frame));
            assert!(drawn.contains("訓練 DRILL") && drawn.contains(&format!("{}/3", frame.number + 1)));
        }
    }

    #[test]
    fn an_image_that_is_cut_changed_or_empty_is_refused_and_nothing_panics() {
        let frame = parted(b"short").unwrap().remove(0);
        let image = png(&frame, &caption(&frame)).unwrap();
        for cut in (0..image.len()).step_by(97) {
            assert!(read_png(&image[..cut]).is_err());
        }
        for place in (0..image.len()).step_by(53) {
            let mut bad = image.clone();
            bad[place] ^= 0xff;
            // Whether the checksums of PNG notice is theirs to say; a frame that is misread is noticed by its own.
            if let Ok(found) = read_png(&bad) {
                assert!(found.iter().all(|one| Frame::read(one).is_err() || *one == frame.to_bytes()));
            }
        }
        assert!(matches!(read_png(b"\x89PNG\r\n\x1a\nno"), Err(ImageError::Png(_))));
    }
}
