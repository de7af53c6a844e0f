import { ActionIcon, Button, FileButton, Group, Stack, Text } from "@mantine/core";
import { IconPaperclip, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { bytes } from "@/ui/time";
import { MOST_FILE_BYTES, MOST_FILES, readFile, type FilePart } from "./parts";

interface Props {
  files: readonly FilePart[];
  onChange: (files: FilePart[]) => void;
  disabled?: boolean;
}

/** Files that lie in the folder in which the script runs. */
export function FilesEditor({ files, onChange, disabled = false }: Props) {
  const [problem, setProblem] = useState("");
  const add = async (chosen: readonly File[]) => {
    const total = [...files, ...chosen].reduce((sum, file) => sum + file.size, 0);
    if (total > MOST_FILE_BYTES || files.length + chosen.length > MOST_FILES) {
      setProblem(`At most ${MOST_FILES} files, ${bytes(MOST_FILE_BYTES)} together. Nothing was added.`);
      return;
    }
    try {
      const read = await Promise.all(chosen.map(readFile));
      const names = new Set(read.map((file) => file.file_name.toLowerCase()));
      setProblem("");
      onChange([...files.filter((file) => !names.has(file.file_name.toLowerCase())), ...read]);
    } catch {
      setProblem("A file could not be read. Nothing was added.");
    }
  };
  return (
    <Stack gap={6}>
      {files.map((file) => (
        <Group key={file.file_name} gap="xs" wrap="nowrap">
          <IconPaperclip size={16} aria-hidden />
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            {file.file_name}
          </Text>
          <Text size="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
            {bytes(file.size)}
          </Text>
          {disabled ? null : (
            <ActionIcon variant="subtle" color="gray" aria-label={`Remove ${file.file_name}`} onClick={() => onChange(files.filter((one) => one !== file))}>
              <IconTrash size={16} aria-hidden />
            </ActionIcon>
          )}
        </Group>
      ))}
      {problem ? (
        <Text size="xs" c="red" role="alert">
          {problem}
        </Text>
      ) : null}
      {disabled ? (
        files.length === 0 ? <Text size="sm" c="dimmed">None</Text> : null
      ) : (
        <FileButton multiple onChange={(chosen) => void add(chosen)}>
          {(props) => (
            <Button {...props} variant="default" size="xs" w="fit-content" leftSection={<IconPaperclip size={15} aria-hidden />}>
              Add files
            </Button>
          )}
        </FileButton>
      )}
    </Stack>
  );
}
