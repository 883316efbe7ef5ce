using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json;
using Llama.Gateway.Api.Embeddings;
using Llama.Gateway.Api.Generation;
using Llama.Gateway.Api.Reading;
using Llama.Grains.Generation;

namespace Llama.Gateway.Api.Fields;

/// <summary>
/// The table of all fields that requests may have: the ones that are honoured here, each read by its key and by nothing else, and those of
/// <see cref="HarmlessFields"/> and <see cref="RefusedFields"/>. What is not in it is unknown. The documentation is made of it.
/// </summary>
internal static class RequestFields
{
    private const int MaxSessionLength = 256;
    private const int MaxSaltLength = 256;

    // Seconds: a millisecond and a day.
    private const double LeastTimeout = 0.001;
    private const double MostTimeout = 86_400;

    // What is declared below adds itself.
    private static readonly List<RequestField> Honoured = [];

    /// <summary>The name of the model.</summary>
    public static readonly HonouredField<string?> Model = Text(
        "model", FieldScope.Request, "The model's name in `GET /v1/models`; another one answers 404. Without it the one that is served.");

    /// <summary>The prompts of a completion.</summary>
    public static readonly HonouredField<JsonElement?> Prompt = Any(
        "prompt", FieldScope.Completion, "a string, a list of token ids, or a list of strings or of lists of token ids",
        "What to go on from: one prompt, or up to 16. Token ids are taken as they are. In a string, names of special tokens are "
        + "those tokens, and the checkpoint's begin-of-text (and end-of-text, where it says so) goes around it.");

    /// <summary>The text behind a gap.</summary>
    public static readonly HonouredField<string?> Suffix = Text(
        "suffix", FieldScope.Completion,
        "The text behind a gap that the answer fills; `prompt`, a string, is the text before it, and names of special tokens are text in both. For models that were "
        + "trained to fill gaps, such as Code Llama 7B and 13B. Empty for none; not beside `echo` or `add_special_tokens`.");

    /// <summary>The texts to turn into vectors.</summary>
    public static readonly HonouredField<JsonElement?> Input = Any(
        "input", FieldScope.Embedding | FieldScope.OllamaEmbed, "a string, a list of token ids, or a list of strings or of lists of token ids",
        $"What to turn into vectors: one text, or up to {EmbeddingReader.MostInputs}; read as `prompt` is.");

    /// <summary>How vectors are written.</summary>
    public static readonly HonouredField<string?> EncodingFormat = Add(FieldKinds.OneOf(
        "encoding_format", FieldScope.Embedding, ["float", EmbeddingReader.Base64],
        "How vectors are written: as lists of numbers (the default), or as base64 of F32, little-endian."));

    /// <summary>How hidden states become a vector.</summary>
    public static readonly HonouredField<string?> Pooling = Add(FieldKinds.OneOf(
        "pooling", FieldScope.Embedding, [EmbeddingReader.Mean, EmbeddingReader.Last],
        "How the hidden states of a text become one vector: their mean, or the last one. Default: what `--pooling` says, else mean."));

    /// <summary>The text to tokenize.</summary>
    public static readonly HonouredField<string?> TokenizedText = Text("prompt", FieldScope.Tokenize, "The text; this or `messages`.");

    /// <summary>The conversation.</summary>
    public static readonly HonouredField<JsonElement?> Messages = Any(
        "messages", FieldScope.Messages, "a list of messages", "The conversation, at least one message; see `messages[]`.");

    /// <summary>The tokens to turn into text.</summary>
    public static readonly HonouredField<JsonElement?> Tokens = Any("tokens", FieldScope.Detokenize, "a list of token ids", "The tokens.");

    /// <summary>Whether the next message is begun.</summary>
    public static readonly HonouredField<bool?> AddGenerationPrompt = Flag(
        "add_generation_prompt", FieldScope.Messages, $"Begins the assistant's next message; default true. {OwnTemplate("false")}");

    /// <summary>Whether the last message is gone on with.</summary>
    public static readonly HonouredField<bool?> ContinueFinalMessage = Flag(
        "continue_final_message", FieldScope.Messages,
        $"Goes on with the last message instead of beginning another one; `add_generation_prompt` must not be true beside it. {OwnTemplate("true")}");

    /// <summary>Further variables of the chat template.</summary>
    public static readonly HonouredField<JsonElement?> ChatTemplateVariables = Object(
        "chat_template_kwargs", FieldScope.Messages, $"Further variables of the chat template. {OwnTemplate("Any")}");

    /// <summary>Whether a text gets the checkpoint's begin-of-text and end-of-text.</summary>
    public static readonly HonouredField<bool?> AddSpecialTokens = Flag(
        "add_special_tokens", FieldScope.Completion | FieldScope.Tokenize | FieldScope.Embedding,
        "Whether a text gets what the checkpoint puts around a prompt, as a rule begin-of-text; default true. A chat template brings its own: true is refused beside `messages`.");

    /// <summary>The most tokens to generate, by OpenAI's older name.</summary>
    public static readonly HonouredField<long?> MaxTokens = Integer(
        "max_tokens", FieldScope.Generation | FieldScope.MessageRequest, 1, int.MaxValue,
        "The most tokens to generate. Default 16 in completions, in chats as many as fit the context; /v1/messages needs it.");

    /// <summary>The most tokens to generate, by OpenAI's newer name.</summary>
    public static readonly HonouredField<long?> MaxCompletionTokens = Integer(
        "max_completion_tokens", FieldScope.Generation, 1, int.MaxValue, "The newer name of `max_tokens`; both only if they say the same.");

    /// <summary>Divides the logits.</summary>
    public static readonly HonouredField<double?> Temperature = Number(
        "temperature", FieldScope.Sampling, 0, 2, $"Divides the logits; 0 takes the most probable token. {Default("1")}");

    /// <summary>Truncation by probability mass.</summary>
    public static readonly HonouredField<double?> TopP = Number(
        "top_p", FieldScope.Sampling, double.Epsilon, 1, "a number above 0 and at most 1",
        $"Samples from the most probable tokens whose probabilities add up to this. {Default("1")}");

    /// <summary>Truncation by rank.</summary>
    public static readonly HonouredField<long?> TopK = Integer(
        "top_k", FieldScope.Sampling, -1, int.MaxValue, $"Samples from so many most probable tokens; 0 and -1 from all. {Default("0")}");

    /// <summary>Truncation relative to the most probable token.</summary>
    public static readonly HonouredField<double?> MinP = Number(
        "min_p", FieldScope.Sampling, 0, 1,
        $"Samples from tokens at least this many times as probable as the most probable one. {Default("0")}");

    /// <summary>What makes sampling repeatable.</summary>
    public static readonly HonouredField<long?> Seed = Integer(
        "seed", FieldScope.Sampling, long.MinValue, long.MaxValue,
        "The same seed gives the same text. -1 or none takes a random one; every choice tells its own in `seed`.");

    /// <summary>Texts that end a choice.</summary>
    public static readonly HonouredField<JsonElement?> Stop = Any(
        "stop", FieldScope.Generation | FieldScope.Infill | FieldScope.OllamaOptions, "a string, or a list of up to 16 strings; none empty", "Ends a choice before the first of these texts.");

    /// <summary>Choices for each prompt.</summary>
    public static readonly HonouredField<long?> Choices = Integer(
        "n", FieldScope.Generation, 1, GenerationParameters.MaxChoices, "Choices for each prompt, up to 16 for all prompts. Default 1.");

    /// <summary>How many choices to pick from.</summary>
    public static readonly HonouredField<long?> BestOf = Integer(
        "best_of", FieldScope.Completion, 1, GenerationParameters.MaxChoices,
        "Generates so many choices for each prompt and answers with the `n` whose tokens have the highest mean log-probability; at least `n`, and the same in a stream. Default `n`.");

    /// <summary>Answer with the prompt before the text.</summary>
    public static readonly HonouredField<bool?> Echo = Flag(
        "echo", FieldScope.Completion, "Answers with the prompt before the text; beside `logprobs` its tokens are told, too.");

    /// <summary>Penalty for tokens that the answer has.</summary>
    public static readonly HonouredField<double?> PresencePenalty = Number(
        "presence_penalty", FieldScope.Sampling, -2, 2, "Is taken off the logit of each token that the answer has. Default 0.");

    /// <summary>Penalty for each time that the answer has a token.</summary>
    public static readonly HonouredField<double?> FrequencyPenalty = Number(
        "frequency_penalty", FieldScope.Sampling, -2, 2, "Is taken off the logit of a token for each time that the answer has it. Default 0.");

    /// <summary>Penalty for tokens of prompt and answer.</summary>
    public static readonly HonouredField<double?> RepetitionPenalty = Number(
        "repetition_penalty", FieldScope.Sampled, 0.01, 100,
        "Divides a positive logit of a token that prompt or answer has, and multiplies a negative one. Default 1.");

    /// <summary>How far the penalties look back.</summary>
    public static readonly HonouredField<long?> PenaltyRange = Integer(
        "repeat_last_n", FieldScope.Sampling, TokenRules.All, int.MaxValue,
        "The penalties look at so many of the last tokens, of prompt and answer together; -1 at all. Default -1.");

    /// <summary>What is added to logits.</summary>
    public static readonly HonouredField<JsonElement?> LogitBias = Object(
        "logit_bias", FieldScope.Sampled, "Adds to the logits of tokens: from token ids to numbers from -100 to 100, at most 1024.");

    /// <summary>Tokens before which an answer does not end.</summary>
    public static readonly HonouredField<long?> MinTokens = Integer(
        "min_tokens", FieldScope.Sampled, 0, int.MaxValue,
        "Before so many tokens no end token and no token of `stop_token_ids` is sampled, and no text of `stop` ends the choice. Default 0.");

    /// <summary>Tokens that end an answer.</summary>
    public static readonly HonouredField<JsonElement?> StopTokens = Any(
        "stop_token_ids", FieldScope.Sampled, "a list of at most 256 token ids", "Ends a choice with one of these tokens, also beside `ignore_eos`; it is not in the text.");

    /// <summary>Words that an answer must not have.</summary>
    public static readonly HonouredField<JsonElement?> BadWords = Any(
        "bad_words", FieldScope.Sampled, "a list of at most 32 strings; none empty",
        "Keeps the tokens of these texts, alone and behind a space, from being sampled one after the other.");

    /// <summary>Tokens that may be sampled.</summary>
    public static readonly HonouredField<JsonElement?> AllowedTokens = Any(
        "allowed_token_ids", FieldScope.Sampled, "a list of at least one token id", "Samples from these tokens only.");

    /// <summary>Go on after end tokens.</summary>
    public static readonly HonouredField<bool?> IgnoreEnd = Flag(
        "ignore_eos", FieldScope.Sampled, "Goes on after the model's end tokens, up to `max_tokens`.");

    /// <summary>Answer with a stream of events.</summary>
    public static readonly HonouredField<bool?> Stream = Flag("stream", FieldScope.Sampled, "Answers with server-sent events.");

    /// <summary>How to stream.</summary>
    public static readonly HonouredField<JsonElement?> StreamOptions = Object(
        "stream_options", FieldScope.Generation, "See `stream_options`.");

    /// <summary>End the stream with the usage.</summary>
    public static readonly HonouredField<bool?> IncludeUsage = Flag(
        "include_usage", FieldScope.StreamOptions, "Ends the stream with the `usage`, which an answer that is not streamed always has.");

    /// <summary>How many alternatives to report, in completions. A legacy client's false asks for none.</summary>
    public static readonly HonouredField<long?> LogProbabilities = Add<long?>(
        "logprobs", FieldScope.Completion, $"an integer from 0 to {GenerationParameters.MaxTopLogprobs}", TryReadAlternatives,
        "Tells the log-probability of each token, and of so many most probable ones. false is the same as none.");

    /// <summary>Whether to report log-probabilities, in chats.</summary>
    public static readonly HonouredField<bool?> WithLogProbabilities = Flag(
        "logprobs", FieldScope.Chat, "Tells the log-probability of each token.");

    /// <summary>How many alternatives to report, in chats.</summary>
    public static readonly HonouredField<long?> TopLogProbabilities = Integer(
        "top_logprobs", FieldScope.Chat, 0, GenerationParameters.MaxTopLogprobs,
        "Tells so many most probable tokens beside each; above 0 it needs `logprobs`.");

    /// <summary>How many alternatives to report with the tokens of the prompt.</summary>
    public static readonly HonouredField<long?> PromptLogProbabilities = Integer(
        "prompt_logprobs", FieldScope.Generation, 0, GenerationParameters.MaxTopLogprobs,
        "Tells the log-probability of each token of the prompt but the first, and of so many most probable ones, in `prompt_logprobs` as vLLM has it. The prompt is computed without the prefix cache.");

    /// <summary>Answer with token ids beside the text.</summary>
    public static readonly HonouredField<bool?> ReturnTokenIds = Flag(
        "return_token_ids", FieldScope.Generation, "Answers with `token_ids` and `prompt_token_ids` beside the text.");

    /// <summary>The value of <see cref="ReasoningFormat"/> that leaves reasoning in the text.</summary>
    public const string ReasoningInText = "none";

    /// <summary>Where reasoning goes, by llama.cpp's name.</summary>
    public static readonly HonouredField<string?> ReasoningFormat = Add(FieldKinds.OneOf(
        "reasoning_format", FieldScope.Chat, ["auto", "deepseek", ReasoningInText],
        "`none` leaves what a model thinks before it answers in the text, with its marks; else it stands in `reasoning_content`."));

    /// <summary>Which request goes first.</summary>
    public static readonly HonouredField<long?> Priority = Integer(
        "priority", FieldScope.Scheduled, -int.MaxValue, int.MaxValue, "Lower ones go first, as in vLLM. Default 0.");

    /// <summary>When the request ends at the latest.</summary>
    public static readonly HonouredField<double?> Timeout = Number(
        "timeout", FieldScope.Scheduled, LeastTimeout, MostTimeout, "Seconds after which the request ends with 504. No limit without it.");

    /// <summary>The conversation that it belongs to.</summary>
    public static readonly HonouredField<string?> Session = Text(
        "session_id", FieldScope.Sampled, "Requests of one session go to the replica that has its prefix in the cache.", MaxSessionLength);

    /// <summary>Who shares the request's cached prefix.</summary>
    public static readonly HonouredField<string?> CacheSalt = Text(
        "cache_salt", FieldScope.Scheduled, "Only requests with the same one share cached prefixes.", MaxSaltLength);

    /// <summary>The form of the answer, as OpenAI has it.</summary>
    public static readonly HonouredField<JsonElement?> ResponseFormat = Object(
        "response_format", FieldScope.Generation, "The form of the answer; see `response_format`.");

    /// <summary>The grammar of the answer, as llama.cpp has it.</summary>
    public static readonly HonouredField<string?> Gbnf = Text(
        "grammar", FieldScope.Sampled, "The grammar that the answer follows, in GBNF; empty for none.");

    /// <summary>The schema of the answer, as llama.cpp has it.</summary>
    public static readonly HonouredField<JsonElement?> AnswerSchema = Add(FieldKinds.Schema(
        "json_schema", FieldScope.Sampled, "The JSON schema that the answer is valid by."));

    /// <summary>The grammar of the answer, as vLLM has it.</summary>
    public static readonly HonouredField<JsonElement?> StructuredOutputs = Object(
        "structured_outputs", FieldScope.Sampled, "The grammar that the answer follows; see `structured_outputs`, of which one is given.");

    /// <summary>What form it is.</summary>
    public static readonly HonouredField<string?> FormatType = Add(FieldKinds.OneOf(
        "type", FieldScope.ResponseFormat, ["text", "json_object", "json_schema"], "Free text, any JSON object, or JSON that is valid by `json_schema`."));

    /// <summary>The schema, with what is said about it.</summary>
    public static readonly HonouredField<JsonElement?> FormatSchema = Object(
        "json_schema", FieldScope.ResponseFormat, "See `response_format.json_schema`; for the type `json_schema` only.");

    /// <summary>The schema.</summary>
    public static readonly HonouredField<JsonElement?> Schema = Add(FieldKinds.Schema(
        "schema", FieldScope.FormatSchema, "The JSON schema that the answer is valid by, whether `strict` or not."));

    /// <summary>A schema for the answer.</summary>
    public static readonly HonouredField<JsonElement?> OutputSchema = Add<JsonElement?>(
        "json", FieldScope.StructuredOutputs, "a JSON schema, or one as a string",
        (JsonElement value, out JsonElement? result) => value.ValueKind == JsonValueKind.String ? (result = value) is not null : FieldKinds.TryReadSchema(value, out result),
        "The JSON schema that the answer is valid by.");

    /// <summary>A pattern for the answer.</summary>
    public static readonly HonouredField<string?> OutputRegex = Text(
        "regex", FieldScope.StructuredOutputs, "The regular expression that the whole answer matches.");

    /// <summary>Texts to choose the answer from.</summary>
    public static readonly HonouredField<JsonElement?> OutputChoice = Add<JsonElement?>(
        "choice", FieldScope.StructuredOutputs, "a list of strings, of which there is one at least and none is empty",
        (JsonElement value, out JsonElement? result) => (result = value) is { ValueKind: JsonValueKind.Array } && value.GetArrayLength() > 0
            && value.EnumerateArray().All(text => text.ValueKind == JsonValueKind.String && text.GetString()!.Length > 0),
        "The answer is one of these.");

    /// <summary>A grammar for the answer.</summary>
    public static readonly HonouredField<string?> OutputGrammar = Text(
        "grammar", FieldScope.StructuredOutputs, "The grammar that the answer follows, in GBNF.");

    /// <summary>Whether the answer is a JSON object.</summary>
    public static readonly HonouredField<bool?> OutputObject = Flag(
        "json_object", FieldScope.StructuredOutputs, "Whether the answer is any JSON object.");

    /// <summary>The tools that the model may call.</summary>
    public static readonly HonouredField<JsonElement?> Tools = Any(
        "tools", FieldScope.Messages | FieldScope.Response | FieldScope.Turns | FieldScope.OllamaChat, "a list of tools", "Functions that the model may call, up to 128; see `tools[]`.");

    /// <summary>Whether it calls them.</summary>
    public static readonly HonouredField<JsonElement?> ToolChoice = Add<JsonElement?>(
        "tool_choice", FieldScope.Chat | FieldScope.Response, "\"none\", \"auto\", \"required\", or an object that names a function",
        (JsonElement value, out JsonElement? result) => (result = value) is { ValueKind: JsonValueKind.Object }
            || (value.ValueKind == JsonValueKind.String && value.GetString() is "none" or "auto" or "required"),
        "Whether the model calls tools: `none` tells it of none, `required` and a name (see `tool_choice`) have the answer follow the grammar of a call. Default `auto`.");

    /// <summary>Whether an answer may have several calls.</summary>
    public static readonly HonouredField<bool?> ParallelToolCalls = Flag(
        "parallel_tool_calls", FieldScope.Chat | FieldScope.Response, "Whether an answer may have several calls, where the chat template has messages with several; else it ends with its first. Default true.");

    /// <summary>What kind of tool it is.</summary>
    public static readonly HonouredField<string?> ToolType = Function("type", FieldScope.Tool | FieldScope.ResponseTool, "A function; no other tools are supported.");

    /// <summary>The function.</summary>
    public static readonly HonouredField<JsonElement?> ToolFunction = Object("function", FieldScope.Tool, "See `tools[].function`.");

    /// <summary>What a function is called.</summary>
    public static readonly HonouredField<string?> FunctionName = Text(
        "name", FieldScope.ToolFunction | FieldScope.ChosenFunction | FieldScope.CalledFunction | FieldScope.ResponseTool | FieldScope.ResponseChoice | FieldScope.InputCall
            | FieldScope.MessageTool | FieldScope.MessageChoice | FieldScope.UseBlock,
        "What the function is called: letters, digits, underscores, hyphens, dots and colons.");

    /// <summary>What a function does.</summary>
    public static readonly HonouredField<string?> FunctionDescription = Text(
        "description", FieldScope.ToolFunction | FieldScope.ResponseTool | FieldScope.MessageTool, "What it does, for the model.");

    /// <summary>The schema of its arguments.</summary>
    public static readonly HonouredField<JsonElement?> FunctionParameters = Any(
        "parameters", FieldScope.ToolFunction | FieldScope.ResponseTool, "a JSON schema of an object, or one as a string",
        "The JSON schema of its arguments. Where a grammar is followed, they have the properties that the schema names and, unless it says more of others, no others.");

    /// <summary>Whether its arguments follow the schema in any case.</summary>
    public static readonly HonouredField<bool?> FunctionStrict = Flag(
        "strict", FieldScope.ToolFunction | FieldScope.ResponseTool | FieldScope.MessageTool,
        "Has every call follow a grammar, and refuses a schema that grammars cannot follow; arguments of other functions are then any object.");

    /// <summary>How one tool is chosen.</summary>
    public static readonly HonouredField<string?> ChoiceType = Function("type", FieldScope.ToolChoice | FieldScope.ResponseChoice, "By its name.");

    /// <summary>The chosen function.</summary>
    public static readonly HonouredField<JsonElement?> ChosenFunction = Object("function", FieldScope.ToolChoice, "The only function that is called; has its `name`.");

    /// <summary>Whose message it is.</summary>
    public static readonly HonouredField<string?> Role = Text(
        "role", FieldScope.Message, "`system` (or `developer`), `user`, `assistant` or `tool`, as the chat template has them.");

    /// <summary>What the message says.</summary>
    public static readonly HonouredField<JsonElement?> Content = Any(
        "content", FieldScope.Message, "a string or a list of text parts",
        "What the message says, or what a tool gave. Parts are joined by line feeds. May be absent beside `tool_calls`.");

    /// <summary>The calls of an assistant's message.</summary>
    public static readonly HonouredField<JsonElement?> MessageCalls = Any(
        "tool_calls", FieldScope.Message | FieldScope.OllamaMessage, "a list of calls", "The calls that an assistant's message made; see `messages[].tool_calls[]`.");

    /// <summary>The call whose result it is.</summary>
    public static readonly HonouredField<string?> ResultOf = Text("tool_call_id", FieldScope.Message | FieldScope.OllamaMessage, "The `id` of the call whose result a message of the role `tool` is.");

    /// <summary>The function whose result it is.</summary>
    public static readonly HonouredField<string?> MessageName = Text("name", FieldScope.Message, "The function whose result a message of the role `tool` is; other messages have no name.");

    /// <summary>What a call is called.</summary>
    public static readonly HonouredField<string?> CallId = Text("id", FieldScope.ToolCall, "By which its result names it.");

    /// <summary>What kind of call it is.</summary>
    public static readonly HonouredField<string?> CallType = Function("type", FieldScope.ToolCall, "Of a function.");

    /// <summary>The function that was called.</summary>
    public static readonly HonouredField<JsonElement?> CalledFunction = Object("function", FieldScope.ToolCall, "Has its `name` and its `arguments`.");

    /// <summary>What it was called with.</summary>
    public static readonly HonouredField<JsonElement?> CallArguments = Add<JsonElement?>(
        "arguments", FieldScope.CalledFunction | FieldScope.InputCall, "a JSON object as a string, or the object",
        (JsonElement value, out JsonElement? result) => (result = value) is { ValueKind: JsonValueKind.String or JsonValueKind.Object },
        "What it was called with.");

    /// <summary>What the assistant thought before its message.</summary>
    public static readonly HonouredField<JsonElement?> ReasoningContent = Add<JsonElement?>(
        "reasoning_content", FieldScope.Message, "a string", (JsonElement value, out JsonElement? result) => (result = value) is { ValueKind: JsonValueKind.String },
        "What the assistant thought before its message. Templates of checkpoints that show it do so; others leave it out.");

    /// <summary>What kind of part it is.</summary>
    public static readonly HonouredField<string?> PartType = Add(FieldKinds.OneOf("type", FieldScope.ContentPart, ["text"], "Text; no other part is supported."));

    /// <summary>What the part says.</summary>
    public static readonly HonouredField<string?> PartText = Text("text", FieldScope.ContentPart, "What the part says.");

    /// <summary>All fields.</summary>
    public static IReadOnlyList<RequestField> All { get; } = [.. Honoured, .. ResponseFields.All, .. MessageFields.All, .. InfillFields.All, .. OllamaFields.All, .. HarmlessFields.All, .. RefusedFields.All];

    private static readonly FrozenDictionary<FieldScope, FrozenDictionary<string, RequestField>> ByScope =
        Enum.GetValues<FieldScope>().ToFrozenDictionary(scope => scope, scope => In(scope).ToFrozenDictionary(field => field.Name));

    /// <summary>The field of a name, or null.</summary>
    /// <param name="scope">The object that it stands in.</param>
    /// <param name="name">Its name.</param>
    public static RequestField? Find(FieldScope scope, string name) => ByScope[scope].GetValueOrDefault(name);

    /// <summary>All fields of an object.</summary>
    /// <param name="scope">The object.</param>
    public static IEnumerable<RequestField> In(FieldScope scope) => All.Where(field => field.Scopes.HasFlag(scope));

    private static string Default(string value) => $"Default: what the checkpoint recommends, else {value}.";

    private static string OwnTemplate(string value) => $"{value} needs a checkpoint with a chat template of its own.";

    private static HonouredField<bool?> Flag(string name, FieldScope scopes, string does) => Add(FieldKinds.Flag(name, scopes, does));

    private static HonouredField<string?> Text(string name, FieldScope scopes, string does, int mostCharacters = int.MaxValue) =>
        Add(FieldKinds.Text(name, scopes, does, mostCharacters));

    private static HonouredField<string?> Function(string name, FieldScope scopes, string does) =>
        Add(FieldKinds.OneOf(name, scopes, ["function"], does));

    private static HonouredField<long?> Integer(string name, FieldScope scopes, long least, long most, string does) =>
        Add(FieldKinds.Integer(name, scopes, least, most, does));

    private static HonouredField<double?> Number(string name, FieldScope scopes, double least, double most, string does) => Number(
        name, scopes, least, most, string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}"), does);

    private static HonouredField<double?> Number(string name, FieldScope scopes, double least, double most, string expected, string does) =>
        Add(FieldKinds.Number(name, scopes, least, most, expected, does));

    private static HonouredField<JsonElement?> Object(string name, FieldScope scopes, string does) => Add(FieldKinds.Object(name, scopes, does));

    private static HonouredField<JsonElement?> Any(string name, FieldScope scopes, string expected, string does) =>
        Add(FieldKinds.Any(name, scopes, expected, does));

    private static HonouredField<T> Add<T>(string name, FieldScope scopes, string expected, TryRead<T> read, string does) =>
        Add(new HonouredField<T>(name, scopes, expected, read, does));

    private static HonouredField<T> Add<T>(HonouredField<T> field)
    {
        Honoured.Add(field);
        return field;
    }

    private static bool TryReadAlternatives(JsonElement value, out long? result)
    {
        result = JsonFields.TryReadInteger(value, out var number) ? number : null;
        return value.ValueKind == JsonValueKind.False || (result >= 0 && result <= GenerationParameters.MaxTopLogprobs);
    }
}
