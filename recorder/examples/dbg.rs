use haltbox_format::ring::*;
fn main() {
    let f = std::fs::File::open(std::env::args().nth(1).unwrap()).unwrap();
    let v = RingView::read(&f).unwrap();
    for l in haltbox_format::Lane::ALL {
        let x = v.lane(l);
        println!(
            "{} runs={} strays={} gaps={:?} next={} first={:?} junk={}",
            l.name(),
            x.runs.len(),
            x.strays.len(),
            x.gaps().len(),
            x.next_counter(),
            x.first_counter(),
            x.junk_bytes
        );
    }
    let mut t = Timeline::new(&f, &v);
    let (mut lines, mut bytes, mut marks, mut holes) = ([0u64; 3], [0u64; 3], 0, 0);
    let mut n = 0u64;
    while let Some(e) = t.next().unwrap() {
        n += 1;
        if n > 10_000_000 {
            println!("LOOP");
            break;
        }
        match e {
            Entry::Line(l) => {
                lines[l.lane.number() as usize] += 1;
                bytes[l.lane.number() as usize] += l.bytes.len() as u64;
                if lines[2] < 20 && l.lane.number() == 2 {
                    println!("{} {} {}", l.counter, l.bytes.len(), l.context);
                }
            }
            Entry::Marks(..) => marks += 1,
            Entry::Hole(h) => {
                holes += 1;
                if holes < 10 {
                    println!("{h:?}")
                }
            }
        }
    }
    println!("{lines:?} {bytes:?} marks={marks} holes={holes}");
}
