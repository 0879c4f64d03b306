// What Gradio 6 gives the page's scripts. It carries no types of its own.

/** What a custom HTML component is given when it is on the page. */
export interface Gradio {
  props: Record<string, any>;
  upload(file: File): Promise<{ path: string; url: string }>;
  watch(name: string, act: () => void): void;
  trigger(event: string, data?: unknown): void;
  server: Record<string, (...given: unknown[]) => Promise<any>>;
}

declare global {
  interface Window {
    gradio_config?: {
      root: string;
      api_prefix: string;
      components: { type: string; props: Record<string, any> }[];
    };
  }
}
