/** Gathers what comes in quick succession, and hands it over together: first at once, then at most once a while. */
export class Batch<Item> {
  private items: Item[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private last = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly every: number,
    private readonly deliver: (items: Item[]) => void,
    private readonly clock: () => number = () => performance.now(),
  ) {}

  add(item: Item): void {
    this.items.push(item);
    if (this.timer !== undefined) return;
    const wait = Math.max(16, this.every - (this.clock() - this.last));
    this.timer = setTimeout(() => this.flush(), wait);
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.items.length === 0) return;
    const items = this.items;
    this.items = [];
    this.last = this.clock();
    this.deliver(items);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.items = [];
  }
}
