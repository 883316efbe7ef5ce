using System.Text;
using Llama.Model.Checkpoints;

namespace Llama.Model.Tokenization;

/// <summary>
/// Hugging Face's <c>tokenizer.json</c> (the <c>tokenizers</c> library, version 1.0 of its format) with a BPE model, in the two forms that
/// Llamas have: SentencePiece-like with byte fallback, and byte-level with Llama 3's pattern. What the file says of truncation and padding
/// is the caller's business here and not read; every other component that is not known is refused by name.
/// </summary>
internal sealed class TokenizerJson
{
    private readonly string file;
    private readonly JsonField model;
    private readonly List<JsonField> normalizers;
    private readonly List<JsonField> preTokenizers;
    private readonly Dictionary<string, int> vocab = [];
    private readonly Dictionary<string, int> special = [];
    private readonly Dictionary<string, int> added = [];
    private readonly Dictionary<string, int> addedNormalized = [];
    private readonly Dictionary<string, NameRule> rules = [];
    private readonly Dictionary<int, string> nameOf = [];
    private readonly JsonField root;
    private readonly TokenizerFacts facts;
    private readonly int vocabSize;

    private TokenizerJson(JsonField root, TokenizerFacts facts, string file)
    {
        this.root = root;
        this.facts = facts;
        this.file = file;
        model = root["model"];
        normalizers = Components(root["normalizer"], "normalizers");
        preTokenizers = Components(root["pre_tokenizer"], "pretokenizers");
        CheckModel();
        foreach ((string name, int id) in model["vocab"].Numbers(Vocabulary.MaxSize))
            AddToVocab(name, id);
        if (!root["added_tokens"].IsMissing)
        {
            foreach (JsonField token in root["added_tokens"].Items())
                ReadAddedToken(token);
        }

        foreach (AddedToken token in facts.Added)
        {
            if (vocab.ContainsKey(token.Name) || (token.Id is { } id && nameOf.TryAdd(id, token.Name) && vocab.TryAdd(token.Name, id))) Note(token);
        }

        foreach ((string name, int id) in vocab)
        {
            if (ControlNames.IsControl(name)) special[name] = id;
        }

        vocabSize = nameOf.Keys.Append(-1).Max() + 1;
    }

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="content">The file's content.</param>
    /// <param name="file">The file's name, for messages.</param>
    /// <param name="facts">What the files beside it say.</param>
    /// <exception cref="CheckpointException">The content is malformed, or has a component that is not supported.</exception>
    public static ITokenizer Read(byte[] content, string file, TokenizerFacts facts)
    {
        var json = new TokenizerJson(JsonField.Parse(content, file), facts, file);
        bool byteLevel = json.preTokenizers.Any(component => component["type"].Text() == "ByteLevel");
        return byteLevel ? json.CreateByteLevel() : json.CreateSentencePiece();
    }

    private static List<JsonField> Components(JsonField component, string list)
    {
        if (component.IsMissing) return [];
        if (component["type"].Text() != "Sequence") return [component];
        return [.. component[list].Items().SelectMany(item => Components(item, list))];
    }

    private static bool IsEmptyText(JsonField field) => field.IsMissing || field.Text().Length == 0;

    private void CheckModel()
    {
        if (model["type"].Text() != "BPE") throw model["type"].Wrong("BPE");
        if (!model["dropout"].IsMissing) throw model["dropout"].Wrong("null");
        foreach (string affix in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (!IsEmptyText(model[affix])) throw model[affix].Wrong("null");
        }
    }

    private void AddToVocab(string name, int id)
    {
        if (name.Length is 0 or > Vocabulary.MaxTokenLength)
            throw new CheckpointException($"{file}: token {id} has {name.Length} characters; expected 1 to {Vocabulary.MaxTokenLength}.");
        if (!nameOf.TryAdd(id, name)) throw new CheckpointException($"{file}: '{name}' and '{nameOf[id]}' have the same id {id}.");
        vocab.Add(name, id);
    }

    private void ReadAddedToken(JsonField token)
    {
        string name = token["content"].Text();
        int id = token["id"].Number(Vocabulary.MaxSize);
        if (!vocab.TryGetValue(name, out int known))
            AddToVocab(name, id);
        else if (known != id)
            throw token["id"].Wrong($"{known}, which '{name}' has elsewhere in the file");
        Note(AddedToken.Read(token, id));
    }

    // What is said of a token last goes.
    private void Note(AddedToken token)
    {
        int id = vocab[token.Name];
        special.Remove(token.Name);
        added.Remove(token.Name);
        addedNormalized.Remove(token.Name);
        rules[token.Name] = token.Rule;
        if (token.IsSpecial)
            special[token.Name] = id;
        else
            (token.IsNormalized && normalizers.Count > 0 ? addedNormalized : added)[token.Name] = id;
    }

    private SentencePieceTokenizer CreateSentencePiece()
    {
        if (!model["byte_fallback"].Flag()) throw model["byte_fallback"].Wrong("true, or a ByteLevel pre_tokenizer");
        SpaceRules spaces = ReadSpaceRules();
        var byteTokens = new ByteTokens(file);
        byte[][] tokenBytes = CreateTokenBytes((name, id) => ByteTokens.Parse(name) is null
            ? Encoding.UTF8.GetBytes(name.Replace(SpaceRules.Mark, ' '))
            : [byteTokens.Add(name, id)]);
        var userDefined = new Dictionary<string, int>();
        foreach ((string name, int id) in addedNormalized)
        {
            string normalized = spaces.Apply(name, startsText: true);
            userDefined[normalized] = id;
            rules[normalized] = rules[name];
        }

        return new SentencePieceTokenizer(
            CreateVocabulary(tokenBytes), OrdinaryPieces(name => name), ReadMerges(), byteTokens.All(), spaces, userDefined);
    }

    private ByteLevelTokenizer CreateByteLevel()
    {
        PreTokenizer preTokenizer = ReadPreTokenizer();
        Dictionary<string, int> pieces = OrdinaryPieces(BytesOf);
        if (ByteLevelTokenizer.FindMissingByte(pieces) is int missing)
            throw new CheckpointException($"{file}: model.vocab has no token for the single byte 0x{missing:X2}; expected all 256.");

        byte[][] tokenBytes = CreateTokenBytes((name, id) => Encoding.Latin1.GetBytes(BytesOf(name)));
        return new ByteLevelTokenizer(CreateVocabulary(tokenBytes), pieces, ReadMerges(), preTokenizer);
    }

    private string BytesOf(string token) => ByteAlphabet.ToBytes(token)
        ?? throw new CheckpointException($"{file}: model.vocab has '{token}', in which a character stands for no byte.");

    private Vocabulary CreateVocabulary(byte[][] tokenBytes)
    {
        (List<int>? start, List<int> last) = ReadTemplate();
        int? usual = special.TryGetValue(Llama3SpecialTokens.BeginOfText, out int id) || special.TryGetValue("<s>", out id) ? id : null;
        return facts.Complete(
            new Vocabulary { TokenBytes = tokenBytes, Special = special, Added = added, Rules = rules },
            name => vocab.TryGetValue(name, out int named) ? named : null,
            start is [var first, ..] ? first : usual,
            end: null,
            start,
            last);
    }

    // TemplateProcessing's form for one text: the special tokens before and behind it. Other processors add none.
    private (List<int>? Start, List<int> Last) ReadTemplate()
    {
        List<int>? start = null;
        List<int> last = [];
        foreach (JsonField processor in Components(root["post_processor"], "processors"))
        {
            if (processor["type"].Text() != "TemplateProcessing") continue;
            List<int> side = start ??= [];
            foreach (JsonField part in processor["single"].Items())
            {
                JsonField token = part["SpecialToken"];
                if (token.IsMissing)
                    side = last;
                else
                    side.AddRange(processor["special_tokens"][token["id"].Text()]["ids"].Items().Select(item => item.Number(vocabSize)));
            }
        }

        return (start, last);
    }

    private byte[][] CreateTokenBytes(Func<string, int, byte[]> bytesOf)
    {
        byte[][] tokenBytes = [.. Enumerable.Repeat(Array.Empty<byte>(), vocabSize)];
        foreach ((string name, int id) in vocab)
        {
            if (special.ContainsKey(name)) continue;
            tokenBytes[id] = IsAdded(name) ? Encoding.UTF8.GetBytes(name) : bytesOf(name, id);
        }
        return tokenBytes;
    }

    private bool IsAdded(string name) => added.ContainsKey(name) || addedNormalized.ContainsKey(name);

    private Dictionary<string, int> OrdinaryPieces(Func<string, string> textOf) =>
        vocab.Where(token => !special.ContainsKey(token.Key) && !IsAdded(token.Key))
            .ToDictionary(token => textOf(token.Key), token => token.Value);

    private MergeTable ReadMerges()
    {
        var merges = new MergeList(vocab, vocabSize, vocabSize);
        foreach (JsonField merge in model["merges"].Items())
        {
            string[] parts = merge.IsList ? [.. merge.Items().Select(part => part.Text())] : merge.Text().Split(' ');
            if (parts.Length != 2) throw merge.Wrong("two tokens");
            if (!merges.TryAdd(parts[0], parts[1])) throw merge.Wrong("two tokens of model.vocab that together are one");
        }

        return merges.ToTable();
    }

    private SpaceRules ReadSpaceRules()
    {
        string found = Describe();
        switch (found)
        {
            case "Prepend, Replace |" when normalizers[0]["prepend"].Text() == "\u2581" && ReplacesSpaces(normalizers[1]):
                return new SpaceRules(SpacePrefix.Always, PrefixBeforeSpace: true, Collapse: false);
            case "Replace |" when ReplacesSpaces(normalizers[0]):
                return new SpaceRules(SpacePrefix.Never, PrefixBeforeSpace: false, Collapse: false);
            case "| Metaspace" when preTokenizers[0]["replacement"].Text() == "\u2581":
                return new SpaceRules(ReadMetaspacePrefix(preTokenizers[0]), PrefixBeforeSpace: false, Collapse: false);
            default:
                throw new CheckpointException($"{file}: normalizer | pre_tokenizer are {found}; supported are "
                    + "'Prepend, Replace |' and 'Replace |' of spaces by U+2581, '| Metaspace' with U+2581, and '| Split, ByteLevel'.");
        }
    }

    private static bool ReplacesSpaces(JsonField component) =>
        component["pattern"]["String"].Text() == " " && component["content"].Text() == "\u2581";

    private static SpacePrefix ReadMetaspacePrefix(JsonField metaspace)
    {
        JsonField split = metaspace["split"];
        if (split.IsMissing || split.Flag()) throw split.Wrong("false (words are not cut apart)");
        JsonField scheme = metaspace["prepend_scheme"];
        if (scheme.IsMissing) return metaspace["add_prefix_space"].Flag() ? SpacePrefix.Always : SpacePrefix.Never;
        return scheme.Text() switch
        {
            "first" => SpacePrefix.First,
            "always" => SpacePrefix.Always,
            "never" => SpacePrefix.Never,
            _ => throw scheme.Wrong("first, always or never"),
        };
    }

    // Split with known patterns, Digits, and ByteLevel last, which may have GPT-2's pattern.
    private PreTokenizer ReadPreTokenizer()
    {
        if (normalizers.Count > 0 || preTokenizers[^1]["type"].Text() != "ByteLevel") throw Unsupported();
        var patterns = new List<string>();
        foreach (JsonField component in preTokenizers)
        {
            switch (component["type"].Text())
            {
                case "Split":
                    JsonField pattern = component["pattern"]["Regex"];
                    if (!PreTokenizer.IsKnown(pattern.Text())) throw pattern.Wrong($"a known pattern, such as Llama 3's {Llama3Splitter.Pattern}");
                    if (component["behavior"].Text() != "Isolated") throw component["behavior"].Wrong("Isolated");
                    if (component["invert"].Flag()) throw component["invert"].Wrong("false");
                    patterns.Add(pattern.Text());
                    break;
                case "Digits":
                    patterns.Add(component["individual_digits"].Flag() ? @"\p{N}" : @"\p{N}+");
                    break;
                case "ByteLevel":
                    if (component["add_prefix_space"].Flag()) throw component["add_prefix_space"].Wrong("false");
                    if (component["use_regex"].IsMissing || component["use_regex"].Flag()) patterns.Add(PreTokenizer.Gpt2Pattern);
                    break;
                default:
                    throw Unsupported();
            }
        }

        return PreTokenizer.Of(patterns, model["ignore_merges"].Flag());

        CheckpointException Unsupported() => new(
            $"{file}: normalizer | pre_tokenizer are {Describe()}; supported with ByteLevel is '| Split, ByteLevel', also with several Split or Digits.");
    }

    private string Describe() => $"{Types(normalizers)} | {Types(preTokenizers)}".Trim();

    private static string Types(List<JsonField> components) => string.Join(", ", components.Select(component => component["type"].Text()));
}
