import { useState, type DragEvent } from "react";
import { droppedFiles } from "./uploads";

/** Takes files that are dropped on a part of the page; `over` while they are held above it. */
export function useDrop(enabled: boolean, take: (files: File[], folders: boolean) => void) {
  const [over, setOver] = useState(false);
  const holdsFiles = (event: DragEvent) => enabled && event.dataTransfer.types.includes("Files");
  return {
    over,
    handlers: {
      onDragOver: (event: DragEvent) => {
        if (!holdsFiles(event)) return;
        event.preventDefault();
        event.dataTransfer.dropEffect = "copy";
        setOver(true);
      },
      onDragLeave: (event: DragEvent) => {
        if (!(event.relatedTarget instanceof Node) || !event.currentTarget.contains(event.relatedTarget)) setOver(false);
      },
      onDrop: (event: DragEvent) => {
        if (!holdsFiles(event)) return;
        event.preventDefault();
        setOver(false);
        const { files, folders } = droppedFiles(event.dataTransfer);
        take(files, folders);
      },
    },
  };
}
