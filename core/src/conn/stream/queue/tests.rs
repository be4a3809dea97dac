use super::*;

fn unsent(queue: &OutQueue, pool: &BlockPool) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 64];
    let filled = queue.slices(pool, &mut slices);
    slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect()
}

/// A small deterministic generator (xorshift, Marsaglia 2003), so that a failure repeats.
fn random(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state as usize
}

#[test]
fn whatever_is_pushed_and_sent_in_whatever_pieces_leaves_in_order() {
    for seed in 1..20 {
        let mut state = seed * 0x9e37_79b9;
        let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
        let (mut pushed, mut sent) = (Vec::new(), Vec::new());
        for _ in 0..200 {
            let size =
                random(&mut state) % if random(&mut state).is_multiple_of(32) { 40 * SMALL } else { 600 };
            let bytes: Vec<u8> = (0..size).map(|_| random(&mut state) as u8).collect();
            pushed.extend_from_slice(&bytes);
            match random(&mut state) % 2 {
                0 => queue.push(&bytes, &mut pool),
                _ => queue.push_owned(bytes, &mut pool),
            }
            if random(&mut state).is_multiple_of(4) {
                // A turn ends.
                queue.set_aside(&mut pool);
                pool.end_turn();
            }
            let front = unsent(&queue, &pool);
            let take = random(&mut state) % (front.len() + 1);
            sent.extend_from_slice(&front[..take]);
            queue.advance(take, &mut pool);
            assert_eq!(queue.len(), pushed.len() - sent.len());
        }
        sent.extend(unsent(&queue, &pool));
        assert!(sent == pushed, "seed {seed}");
    }
}

#[test]
fn an_empty_queue_holds_no_memory() {
    let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
    for _ in 0..100 {
        queue.push(&[7; SMALL], &mut pool);
    }
    queue.advance(100 * SMALL, &mut pool);
    assert!(queue.blocks.is_none());
}

#[test]
fn the_pool_keeps_no_more_than_its_share() {
    let mut pool = BlockPool::default();
    let mut queues: Vec<OutQueue> = (0..3 * SMALL_POOLED).map(|_| OutQueue::default()).collect();
    for queue in &mut queues {
        queue.push(&[7; 100], &mut pool);
        queue.push(&[7; SMALL], &mut pool);
    }
    for queue in &mut queues {
        queue.clear(&mut pool);
    }
    assert_eq!((pool.small.len(), pool.large.len()), (SMALL_POOLED, LARGE_POOLED));
}

#[test]
fn a_backlog_lies_in_large_blocks() {
    let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
    for _ in 0..200 {
        queue.push_owned(vec![7; OWNED], &mut pool);
    }
    assert!(matches!(queue.blocks.as_ref().unwrap().first, Block::Heap(_)));
    assert!(queue.rest().all(|block| matches!(block, Block::Large(_))));
    assert_eq!(queue.rest().count(), (199 * OWNED).div_ceil(Mapped::CAPACITY));
}

#[test]
fn clear_says_how_much_was_unsent() {
    let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
    queue.push(b"hello", &mut pool);
    queue.advance(2, &mut pool);
    assert_eq!((queue.clear(&mut pool), queue.len(), unsent(&queue, &pool)), (3, 0, vec![]));
}

#[test]
fn memory_is_counted_as_it_is_held_and_given_back() {
    let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
    let mut state = 0x9e37_79b9;
    let held = |queue: &OutQueue| {
        let first = queue.blocks.iter().map(|blocks| blocks.first.memory());
        first.chain(queue.rest().map(Block::memory)).sum::<usize>()
    };
    for _ in 0..500 {
        let bytes = vec![7; random(&mut state) % (3 * SMALL)];
        match random(&mut state) % 4 {
            0 => queue.push(&bytes, &mut pool),
            1 => queue.push_owned(bytes, &mut pool),
            2 => queue.push_parcel(Parcel::copy(&[&bytes], bytes.len()).unwrap(), &mut pool),
            _ => queue.advance(random(&mut state) % (queue.len() + 1), &mut pool),
        }
        assert_eq!((queue.memory(), pool.change), (held(&queue), held(&queue) as isize));
        // What was sent of the first block, and what is free in each, is less than that.
        assert!(queue.memory() + queue.in_turn as usize >= queue.len());
    }
    queue.clear(&mut pool);
    assert_eq!((queue.memory(), pool.change), (0, 0));
}

#[test]
fn what_was_sent_of_a_large_parcel_is_held_no_more() {
    let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
    let bytes: Vec<u8> = (0..5 << 20).map(|index| (index % 251) as u8).collect();
    queue.push(b"before", &mut pool);
    let parcel = Parcel::copy(&[&bytes[..1000], &[], &bytes[1000..]], bytes.len()).unwrap();
    assert_eq!(parcel.len(), bytes.len());
    queue.push_parcel(parcel, &mut pool);
    queue.push(b"behind", &mut pool);
    let all = [b"before", &bytes[..], b"behind"].concat();
    let piece = |queue: &OutQueue| queue.rest().map(Block::as_slice).collect::<Vec<_>>().concat();
    assert!([queue.first_piece(&pool), &piece(&queue)].concat() == all);
    let sent = all.len() - 100;
    queue.advance(sent, &mut pool);
    assert!(queue.memory() <= 2 * Mapped::CAPACITY, "{}", queue.memory());
    assert!(queue.take_bytes(&mut pool) == all[sent..]);
}

#[test]
fn few_bytes_join_a_parcel_and_many_do_not() {
    let mut parcel = Parcel::copy(&[b"one, ", b"two"], 8).unwrap();
    let grown = parcel.join(&[b", ", b"three"], 9).unwrap();
    assert!(matches!(&parcel, Parcel::Small(bytes) if bytes == b"one, two, three"));
    assert!(matches!(&parcel, Parcel::Small(bytes) if bytes.capacity() == 8 + grown));
    assert_eq!(parcel.join(&[b"four"], 9), None);
    let len = Mapped::CAPACITY + 1;
    let mut large = Parcel::copy(&[&vec![7; len]], len).unwrap();
    assert!(matches!(large, Parcel::Large(..)) && large.join(&[b"x"], usize::MAX).is_none());
}

/// A turn in which each of these queues writes `size` bytes, in messages of up to 1,000: how many stay out of blocks.
fn turn_of(queues: &mut [OutQueue], size: usize, pool: &mut BlockPool) -> usize {
    for queue in &mut *queues {
        vec![7; size].chunks(1_000).for_each(|message| queue.push(message, pool));
    }
    queues.iter().filter(|queue| queue.blocks.is_none()).count()
}

fn end_turn(queues: &mut [OutQueue], pool: &mut BlockPool) {
    queues.iter_mut().for_each(|queue| queue.advance(queue.len(), pool));
    pool.end_turn();
}

#[test]
fn a_turn_with_many_answers_has_room_for_all_of_them_until_none_has_been_for_a_while() {
    let mut pool = BlockPool::default();
    let mut queues: Vec<OutQueue> = (0..100).map(|_| OutQueue::default()).collect();
    assert_eq!(turn_of(&mut queues, 5_000, &mut pool), 100);
    assert!(queues.iter().all(|queue| queue.first_piece(&pool) == [7; 5_000]));
    end_turn(&mut queues, &mut pool);
    for _ in 1..turn::SMALL_TURNS {
        turn_of(&mut queues, 64, &mut pool);
        end_turn(&mut queues, &mut pool);
    }
    let room = |pool: &mut BlockPool| OutQueue::default().room_in_turn(true, turn::TURN + 1, pool).is_some();
    assert!(room(&mut pool));
    turn_of(&mut queues, 64, &mut pool);
    end_turn(&mut queues, &mut pool);
    assert!(!room(&mut pool));
}

#[test]
fn the_room_for_a_turn_is_bounded_and_by_the_byte_budget_too() {
    for (mut pool, most) in [(BlockPool::default(), turn::MOST), (BlockPool::under(8 << 20), 128 << 10)] {
        let mut queues: Vec<OutQueue> = (0..400).map(|_| OutQueue::default()).collect();
        assert_eq!(turn_of(&mut queues, 5_000, &mut pool), most / 5_000);
        for queue in &queues {
            assert!(unsent(queue, &pool) == [7; 5_000]);
        }
    }
}

#[test]
fn much_of_a_turn_that_is_not_sent_moves_to_blocks_whole() {
    let (mut queue, mut pool) = (OutQueue::default(), BlockPool::default());
    let bytes: Vec<u8> = (0..600_000).map(|index| (index % 251) as u8).collect();
    bytes.chunks(1_000).for_each(|message| queue.push(message, &mut pool));
    assert_eq!(queue.pieces(), 1);
    queue.advance(10, &mut pool);
    queue.set_aside(&mut pool);
    pool.end_turn();
    queue.push(b"behind", &mut pool);
    assert!(queue.take_bytes(&mut pool) == [&bytes[10..], b"behind"].concat());
}
