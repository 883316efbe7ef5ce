using Llama.Model.Chat.Jinja;
using Llama.Model.Checkpoints;
using Llama.Model.Tokenization;

namespace Llama.Model.Chat;

/// <summary>The chat templates by name, and which one a checkpoint needs.</summary>
public static class ChatTemplates
{
    private const string Llama2 = "llama2";
    private const string CodeLlama = "codellama";
    private const string CodeLlama70B = "codellama-70b";
    private const string Llama3 = "llama3";
    private const string Plain = "plain";

    /// <summary>The names that <c>--chat-template</c> allows.</summary>
    public static IReadOnlyList<string> Names { get; } = [Llama2, CodeLlama, CodeLlama70B, Llama3, Plain];

    /// <summary>The template of a name.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="tokenizer">The tokenizer it writes with.</param>
    /// <exception cref="ArgumentException">No template has that name, or the tokenizer lacks a special token that it needs.</exception>
    public static ChatTemplate Create(string name, ITokenizer tokenizer) => name switch
    {
        Llama2 or CodeLlama => new Llama2Template(name, tokenizer),
        CodeLlama70B => new CodeLlama70BTemplate(name, tokenizer),
        Llama3 => new Llama3Template(name, tokenizer),
        Plain => new PlainTemplate(name, tokenizer),
        _ => throw new ArgumentException($"'{name}' is no chat template; allowed are {string.Join(", ", Names)}."),
    };

    /// <summary>
    /// Chooses the template of a checkpoint: what the option says, else its own (<see cref="ChatTemplateFiles"/>), else the family's if the
    /// checkpoint's name calls the model instruct or chat, else the plain one.
    /// </summary>
    /// <param name="path">The checkpoint's folder, or a GGUF file.</param>
    /// <param name="family">The member of the family.</param>
    /// <param name="tokenizer">The checkpoint's tokenizer.</param>
    /// <param name="option">The value of <c>--chat-template</c>, or null.</param>
    /// <param name="reason">Why it was chosen: a sentence for the log.</param>
    /// <exception cref="ArgumentException">
    /// The option names no template, or one that the tokenizer cannot serve; or the checkpoint's own cannot be run.
    /// </exception>
    /// <exception cref="CheckpointException">A file that could hold the template cannot be read.</exception>
    public static ChatTemplate Choose(string path, LlamaFamily family, ITokenizer tokenizer, string? option, out string reason)
    {
        if (option is not null)
        {
            reason = $"The chat template is {option}, as the option says.";
            return Create(option, tokenizer);
        }

        if (ChatTemplateFiles.Find(path) is ({ Count: > 0 } texts, string file))
        {
            reason = $"The chat template is the checkpoint's own, in {file}.";
            return new CheckpointTemplate(texts.ToDictionary(text => text.Key, text => Parse(text.Value, file)), tokenizer, TimeProvider.System);
        }

        (string name, reason) = Guess(path, family);
        try
        {
            return Create(name, tokenizer);
        }
        catch (ArgumentException exception)
        {
            reason = $"{reason} But the plain one is used: {exception.Message}";
            return Create(Plain, tokenizer);
        }
    }

    private static JinjaTemplate Parse(string text, string file)
    {
        try
        {
            return JinjaTemplate.Parse(text);
        }
        catch (JinjaException exception)
        {
            throw new ArgumentException($"The chat template in {file} cannot be run: {exception.Message}; name another with --chat-template.", exception);
        }
    }

    private static (string Name, string Reason) Guess(string path, LlamaFamily family)
    {
        string name = CheckpointName(path);
        foreach (string word in new[] { "instruct", "chat" })
        {
            if (name.Contains(word, StringComparison.OrdinalIgnoreCase))
                return (OfFamily(family), $"The chat template is {OfFamily(family)}: the checkpoint's name, {name}, contains '{word}'.");
        }
        return (Plain, $"The chat template is {Plain}: nothing says that {name} is an instruct model.");
    }

    private static string OfFamily(LlamaFamily family) => family switch
    {
        LlamaFamily.CodeLlama => CodeLlama,
        LlamaFamily.CodeLlama70B => CodeLlama70B,
        LlamaFamily.Llama3 => Llama3,
        _ => Llama2,
    };

    // Meta's own files lie in a folder "original" inside the repository of Hugging Face's.
    private static string CheckpointName(string path) =>
        Checkpoint.NameOf(path) is var name && name == "original" && new DirectoryInfo(path).Parent is DirectoryInfo parent ? parent.Name : name;
}
