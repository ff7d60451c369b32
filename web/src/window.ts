// The stretch of time that the timeline shows, and who wants to know of it.

export class TimeWindow {
  t0: number;
  t1: number;
  private readonly listeners: (() => void)[] = [];
  private waiting = false;

  constructor(readonly duration: number) {
    this.t0 = 0;
    this.t1 = duration;
  }

  get span(): number {
    return this.t1 - this.t0;
  }

  get whole(): boolean {
    return this.t0 <= 0 && this.t1 >= this.duration;
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  set(t0: number, t1: number): void {
    const least = Math.min(this.duration, Math.max(this.duration * 1e-7, 1e-6));
    const span = Math.min(Math.max(t1 - t0, least), this.duration);
    const begin = Math.min(Math.max((t0 + t1 - span) / 2, 0), this.duration - span);
    if (begin === this.t0 && begin + span === this.t1) return;
    this.t0 = begin;
    this.t1 = begin + span;
    this.changed();
  }

  // Once a frame, however many changes come.
  changed(): void {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      for (const listener of this.listeners) listener();
    });
  }

  zoom(factor: number, about = (this.t0 + this.t1) / 2): void {
    const span = Math.min(this.span * factor, this.duration);
    const t0 = about - (about - this.t0) * span / this.span;
    const begin = Math.min(Math.max(t0, 0), this.duration - span);
    this.set(begin, begin + span);
  }

  pan(seconds: number): void {
    const begin = Math.min(Math.max(this.t0 + seconds, 0), this.duration - this.span);
    this.set(begin, begin + this.span);
  }

  reset(): void {
    this.set(0, this.duration);
  }
}
