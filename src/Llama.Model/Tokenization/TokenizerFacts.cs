using Llama.Model.Checkpoints;

namespace Llama.Model.Tokenization;

/// <summary>
/// What the files beside a vocabulary say of it (Hugging Face's <c>tokenizer_config.json</c>, <c>special_tokens_map.json</c> and
/// <c>added_tokens.json</c>), with the precedence of transformers 5, which docs/tokenizers.md lists.
/// </summary>
internal sealed record TokenizerFacts
{
    private const int MaxBytes = 16 << 20;
    private static readonly string[] SpecialFields = ["bos_token", "eos_token", "unk_token", "pad_token"];
    private static readonly string[] SpecialLists = ["additional_special_tokens", "extra_special_tokens"];

    /// <summary>What is known without such files.</summary>
    public static TokenizerFacts None { get; } = new();

    /// <summary>The name of the begin-of-text token, or null.</summary>
    public string? BeginOfText { get; init; }

    /// <summary>The name of the end-of-text token, or null.</summary>
    public string? EndOfText { get; init; }

    /// <summary>Whether begin-of-text goes before a prompt; null where the vocabulary's file decides.</summary>
    public bool? AddBeginOfText { get; init; }

    /// <summary>Whether end-of-text goes behind a prompt; null where the vocabulary's file decides.</summary>
    public bool? AddEndOfText { get; init; }

    /// <summary>
    /// Whether a tokenizer that no file says more of puts begin-of-text before a prompt: transformers' class for Llama does, which is also
    /// what it takes where no class is named.
    /// </summary>
    public bool BeginsByDefault { get; init; } = true;

    /// <summary>The tokens by which a gap is filled; null where their names tell.</summary>
    public InfillTokens? Infill { get; init; }

    /// <summary>Tokens to add to the vocabulary, or to treat otherwise than it says.</summary>
    public IReadOnlyList<AddedToken> Added { get; init; } = [];

    /// <summary>Reads what lies in a folder.</summary>
    /// <exception cref="CheckpointException">A file is malformed.</exception>
    public static TokenizerFacts Read(string folder)
    {
        JsonField? config = Find(folder, "tokenizer_config.json");
        JsonField? map = Find(folder, "special_tokens_map.json");
        bool complete = config is { } file && !file["added_tokens_decoder"].IsMissing;

        // Older files have no list of added tokens; there the map, written later than the configuration, goes first.
        JsonField?[] order = complete ? [config, map] : [map, config];
        HashSet<string> special = [.. order.SelectMany(SpecialNames)];
        return new TokenizerFacts
        {
            BeginOfText = order.Select(source => Name(source?["bos_token"])).FirstOrDefault(name => name is not null),
            EndOfText = order.Select(source => Name(source?["eos_token"])).FirstOrDefault(name => name is not null),
            AddBeginOfText = config?["add_bos_token"] is { IsMissing: false } begin ? begin.Flag() : null,
            AddEndOfText = config?["add_eos_token"] is { IsMissing: false } end ? end.Flag() : null,
            BeginsByDefault = config?["tokenizer_class"] is not { IsMissing: false } name || name.Text().Contains("Llama", StringComparison.Ordinal),
            Added = complete ? ReadDecoder(config!.Value["added_tokens_decoder"]) : ReadLegacy(Find(folder, "added_tokens.json"), special),
        };
    }

    /// <summary>A vocabulary with its begin-of-text and end-of-text tokens, and what goes before and behind a prompt.</summary>
    /// <param name="vocabulary">The vocabulary without them.</param>
    /// <param name="idOf">The id of a name, or null where the vocabulary lacks it.</param>
    /// <param name="begin">The begin-of-text token that the vocabulary's own file names, or null.</param>
    /// <param name="end">The end-of-text token that the vocabulary's own file names, or null.</param>
    /// <param name="start">What the vocabulary's own file puts before a prompt; null where it does not say.</param>
    /// <param name="last">What it puts behind a prompt.</param>
    public Vocabulary Complete(
        Vocabulary vocabulary, Func<string, int?> idOf, int? begin, int? end, IReadOnlyList<int>? start, IReadOnlyList<int> last)
    {
        begin = (BeginOfText is null ? null : idOf(BeginOfText)) ?? begin;
        end = (EndOfText is null ? null : idOf(EndOfText)) ?? end;
        return vocabulary with
        {
            BeginOfText = begin,
            EndOfText = end,
            PromptStart = AddBeginOfText is { } add ? Token(add, begin) : start ?? Token(BeginsByDefault, begin),
            PromptEnd = AddEndOfText is { } addEnd ? Token(addEnd, end) : last,
            Infill = Infill ?? InfillTokens.Find(idOf),
        };

        static IReadOnlyList<int> Token(bool add, int? token) => add && token is { } id ? [id] : [];
    }

    private static JsonField? Find(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        return File.Exists(path) ? JsonField.Parse(SmallFile.Read(path, MaxBytes), path) : null;
    }

    private static List<AddedToken> ReadDecoder(JsonField decoder) =>
    [
        .. decoder.Members().Select(member => AddedToken.Read(
            member.Value,
            int.TryParse(member.Name, out int id) && id is >= 0 and < Vocabulary.MaxSize
                ? id
                : throw member.Value.Wrong($"a token under its id, from 0 to {Vocabulary.MaxSize - 1}"))),
    ];

    // Names with their ids; what the other files call special is.
    private static List<AddedToken> ReadLegacy(JsonField? file, HashSet<string> special) => file is not { } tokens ? [] :
    [
        .. tokens.Numbers(Vocabulary.MaxSize).Select(token => new AddedToken(
            token.Name, token.Number, special.Contains(token.Name) || ControlNames.IsControl(token.Name))),
    ];

    private static IEnumerable<string> SpecialNames(JsonField? source)
    {
        if (source is not { } file) return [];
        IEnumerable<string?> named = SpecialFields.Select(field => Name(file[field]));
        IEnumerable<string?> lists = SpecialLists.Where(field => file[field].IsList).SelectMany(field => file[field].Items().Select(item => Name(item)));
        return named.Concat(lists).OfType<string>();
    }

    // A text, or an object with the text as its content.
    private static string? Name(JsonField? field) => field switch
    {
        null or { IsMissing: true } => null,
        { IsObject: true } token => token["content"].Text(),
        { } text => text.Text(),
    };
}
