import { Component, createElement, type ComponentChild, type FunctionComponent } from "preact";

/** memo returns a component that is rendered again only when one of its properties has changed. */
export function memo<P extends object>(render: (props: P) => ComponentChild, same: (before: P, after: P) => boolean = shallow): FunctionComponent<P> {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: P) {
      return !same(this.props as P, next);
    }
    override render() {
      return createElement(render as FunctionComponent<P>, this.props as P);
    }
  }
  return Memo as unknown as FunctionComponent<P>;
}

function shallow<P extends object>(before: P, after: P): boolean {
  return Object.keys(after).every((name) => before[name as keyof P] === after[name as keyof P]);
}
