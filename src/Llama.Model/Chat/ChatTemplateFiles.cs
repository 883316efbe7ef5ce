using System.Text;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Tokenization;

namespace Llama.Model.Chat;

/// <summary>Finds the templates that come with a checkpoint.</summary>
internal static class ChatTemplateFiles
{
    /// <summary>The key of the template in a GGUF file; others have their name behind it.</summary>
    public const string GgufKey = "tokenizer.chat_template";

    // Templates have some kilobytes.
    private const int MaxFileBytes = 16 << 20;

    /// <summary>
    /// The texts of a checkpoint's templates by name, and the file that they are in: <c>chat_template.jinja</c>, else
    /// <c>tokenizer_config.json</c>, or a GGUF file. Null where there is none.
    /// </summary>
    /// <param name="path">The checkpoint's folder, or a GGUF file.</param>
    /// <exception cref="CheckpointException">A file that could hold a template cannot be read.</exception>
    public static (IReadOnlyDictionary<string, string> Texts, string File)? Find(string path)
    {
        path = CachePaths.Resolve(path);
        if (GgufPaths.Find(path) is { } gguf)
        {
            using var parts = new GgufFile(gguf);
            var inside = new Dictionary<string, string>();
            if (parts.Metadata.Text(GgufKey) is { } only) inside[CheckpointTemplate.Default] = only;
            if (parts.Metadata.Text($"{GgufKey}.{CheckpointTemplate.ToolUse}") is { } toolUse) inside[CheckpointTemplate.ToolUse] = toolUse;
            return inside.Count > 0 ? (inside, gguf) : null;
        }

        string jinja = Path.Combine(path, "chat_template.jinja");
        if (File.Exists(jinja)) return (Named(CheckpointTemplate.Default, Encoding.UTF8.GetString(SmallFile.Read(jinja, MaxFileBytes))), jinja);

        string config = Path.Combine(path, "tokenizer_config.json");
        if (!File.Exists(config)) return null;
        JsonField template = JsonField.Parse(SmallFile.Read(config, MaxFileBytes), config)["chat_template"];
        if (template.IsMissing) return null;
        if (!template.IsList) return (Named(CheckpointTemplate.Default, template.Text()), config);
        var named = new Dictionary<string, string>();
        foreach (JsonField item in template.Items()) named[item["name"].Text()] = item["template"].Text();
        return named.Count > 0 ? (named, config) : null;
    }

    private static Dictionary<string, string> Named(string name, string text) => new() { [name] = text };
}
