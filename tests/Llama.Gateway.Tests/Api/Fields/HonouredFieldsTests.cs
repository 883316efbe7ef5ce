using System.Text.Json;
using Llama.Gateway.Api.Fields;
using Llama.Gateway.Tests.Hosting;
using Llama.Grains.Generation;
using Llama.Model.Grammars;
using Llama.Model.Sampling;
using Llama.Model.Tokenization;

namespace Llama.Gateway.Tests.Api.Fields;

/// <summary>The table's fields that are honoured: each changes what it says.</summary>
public sealed class HonouredFieldsTests
{
    private const FieldScope Completion = FieldScope.Completion;
    private const FieldScope Chat = FieldScope.Chat;
    private const FieldScope Ask = FieldScope.OllamaChat | FieldScope.OllamaGenerate;

    // Only a checkpoint's own template takes options.
    private const string Template =
        "{{ messages[0].content }}{{ messages[0].reasoning_content }}{% if false %}</think>{% endif %}{% if add_generation_prompt %}{{ mark or '>' }}{% endif %}";

    private const FieldScope Discriminators = FieldScope.InputMessage | FieldScope.InputPart | FieldScope.InputReasoning | FieldScope.InputThought
        | FieldScope.TextBlock | FieldScope.ThinkingBlock | FieldScope.OutputFormat | FieldScope.InputCall | FieldScope.InputResult | FieldScope.UseBlock
        | FieldScope.ResultBlock | FieldScope.ResponseTool | FieldScope.ResponseChoice | FieldScope.MessageTool;

    private const FieldScope Thoughts = FieldScope.InputReasoning | FieldScope.InputThought | FieldScope.ThinkingBlock;
    // Writes tools and calls itself, with all that they have.
    private const string ToolTemplate =
        "{{ tools|tojson if tools }}{% for m in messages %}{{ m.role }}{{ m.content }}{{ m.name }}{{ m.tool_call_id }}{% for c in m.tool_calls %}"
        + "{{ c.id }}<function={{ c.function.name }}>{{ c.function.arguments|tojson }}</function>{% endfor %}{% endfor %}";

    private const string Calls = """{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}]}""";
    private const string Tool = """{"tools":[{"function":{"name":"f"}}]}""";

    private const string FlatTool = """{"tools":[{"type":"function","name":"f"}]}""";

    private static readonly string[] WithTemplate = [.. FieldRequest.ChatOptions, "reasoning_content", "reasoning_format", "raw", "thinking"];

    private static readonly string[] WithToolTemplate = ["description", "tool_calls", "tool_call_id", "id", "arguments", "function", "call_id", "tool_use_id", "input", "tool_name"];

    private static readonly Effect[] Effects =
    [
        // A name that is not served answers 404.
        .. In(FieldScope.Request, "model", "\"gpt-4\"", (_, answer) => answer.Contains("model_not_found", StringComparison.Ordinal)),
        .. In(Completion, "prompt", "\"Ho\"", (request, _) => request!.PromptTokens[^1] == 'o'),
        .. In(FieldScope.Tokenize, "prompt", "\"Ho\"", (_, answer) => answer.Contains("72,111]", StringComparison.Ordinal)),
        .. In(Chat, "messages", """[{"role":"user","content":"Ho"}]""", (request, _) => request!.PromptTokens[^1] == 'o'),
        .. In(
            FieldScope.Tokenize, "messages", """[{"role":"user","content":"Ho"}]""",
            (_, answer) => answer.Contains("72,111]", StringComparison.Ordinal)),
        .. In(FieldScope.Detokenize, "tokens", "[72,111]", (_, answer) => answer.Contains("Ho", StringComparison.Ordinal)),
        .. In(Chat, "add_generation_prompt", "false", (request, _) => request!.PromptTokens[^1] == 'i'),
        .. In(FieldScope.Tokenize, "add_generation_prompt", "false", (_, answer) => answer.Contains("105]", StringComparison.Ordinal)),
        .. In(Chat, "continue_final_message", "true", (request, _) => request!.PromptTokens[^1] == 'i'),
        .. In(FieldScope.Tokenize, "continue_final_message", "true", (_, answer) => answer.Contains("105]", StringComparison.Ordinal)),
        .. In(Chat, "chat_template_kwargs", """{"mark":"!"}""", (request, _) => request!.PromptTokens[^1] == '!'),
        .. In(FieldScope.Tokenize, "chat_template_kwargs", """{"mark":"!"}""", (_, answer) => answer.Contains("33]", StringComparison.Ordinal)),
        .. In(
            FieldScope.Template, "messages", """[{"role":"user","content":"Ho"}]""",
            (_, answer) => answer.Contains("Ho\"", StringComparison.Ordinal)),
        .. In(FieldScope.Template, "add_generation_prompt", "false", (_, answer) => answer.Contains("Hi\"", StringComparison.Ordinal)),
        .. In(FieldScope.Template, "continue_final_message", "true", (_, answer) => answer.Contains("Hi\"", StringComparison.Ordinal)),
        .. In(FieldScope.Template, "chat_template_kwargs", """{"mark":"!"}""", (_, answer) => answer.Contains("Hi!\"", StringComparison.Ordinal)),
        .. In(Completion, "add_special_tokens", "false", (request, _) => request!.PromptTokens.Count == 2),
        .. In(FieldScope.Tokenize, "add_special_tokens", "false", (_, answer) => answer.Contains("\"count\":2", StringComparison.Ordinal)),
        .. In(FieldScope.OllamaEmbed, "input", "\"Ho\"", (request, _) => request!.PromptTokens[^1] == 'o'),
        .. In(FieldScope.Embedding, "input", "\"Ho\"", (request, _) => request!.PromptTokens[^1] == 'o'),
        .. In(FieldScope.Embedding, "encoding_format", "\"base64\"", (_, answer) => answer.Contains("\"embedding\":\"", StringComparison.Ordinal)),
        .. In(FieldScope.Embedding, "pooling", "\"last\"", (request, _) => request!.Pooling == Pooling.Last),
        .. In(FieldScope.Embedding, "add_special_tokens", "false", (request, _) => request!.PromptTokens.Count == 2),
        .. In(FieldScope.Generation, "prompt_logprobs", "2", (request, answer) => request!.PromptLogprobs == 2 && answer.Contains("\"prompt_logprobs\":[null,", StringComparison.Ordinal)),
        .. In(FieldScope.Generation | FieldScope.MessageRequest, "max_tokens", "3", (request, _) => request!.MaxTokens == 3),
        .. In(FieldScope.Generation, "max_completion_tokens", "3", (request, _) => request!.MaxTokens == 3),
        .. In(FieldScope.Sampling, "temperature", "0.5", (request, _) => request!.Sampling.Temperature == 0.5f),
        .. In(FieldScope.Sampling, "top_p", "0.5", (request, _) => request!.Sampling.TopP == 0.5f),
        .. In(FieldScope.Sampling, "top_k", "3", (request, _) => request!.Sampling.TopK == 3),
        .. In(FieldScope.Sampling, "min_p", "0.5", (request, _) => request!.Sampling.MinP == 0.5f),
        .. In(FieldScope.Sampled, "seed", "9", (request, answer) => request!.Seed == 9 && answer.Contains("\"seed\":9", StringComparison.Ordinal)),
        .. In(FieldScope.Generation | FieldScope.Infill | FieldScope.OllamaOptions, "stop", "\"ll\"", (_, answer) => answer.Contains("\"He\"", StringComparison.Ordinal)),
        .. In(FieldScope.Generation, "n", "2", (_, answer) => answer.Contains("\"index\":1", StringComparison.Ordinal)),
        .. In(
            Completion, "suffix", "\"Ho\"",
            (request, _) => request!.PromptTokens.SequenceEqual([256, 259, 'H', 'i', 260, 'H', 'o', 261]) && request.StopTokens.Contains(TestTokenizer.Step)),
        .. In(Completion, "best_of", "2", (_, answer) => answer.Contains("\"completion_tokens\":14", StringComparison.Ordinal)),
        .. In(Completion, "echo", "true", (_, answer) => answer.Contains("\"HiHello.\"", StringComparison.Ordinal)),
        .. In(FieldScope.Sampling, "presence_penalty", "0.5", (request, _) => request!.Rules?.PresencePenalty == 0.5f),
        .. In(FieldScope.Sampling, "frequency_penalty", "-2", (request, _) => request!.Rules?.FrequencyPenalty == -2),
        .. In(FieldScope.Sampled, "repetition_penalty", "1.5", (request, _) => request!.Rules?.RepetitionPenalty == 1.5f),
        .. In(FieldScope.Sampling, "repeat_last_n", "64", (request, _) => request!.Rules?.PenaltyRange == 64, """{"presence_penalty":1}"""),
        .. In(
            FieldScope.Sampled, "logit_bias", """{"72":-100,"5":0.5}""",
            (request, _) => request!.Rules?.Biases.SequenceEqual([new TokenBias(72, -100), new TokenBias(5, 0.5f)]) is true),
        .. In(FieldScope.Sampled, "min_tokens", "3", (request, _) => request!.Rules?.MinTokens == 3),
        .. In(FieldScope.Sampled, "stop_token_ids", "[108]", (_, answer) => answer.Contains("\"He\"", StringComparison.Ordinal)),
        .. In(FieldScope.Sampled, "bad_words", "[\"lo\"]", (request, _) => request!.Rules?.BadWords.Single().SequenceEqual(['l', 'o']) is true),
        .. In(FieldScope.Sampled, "allowed_token_ids", "[72,73]", (request, _) => request!.Rules?.AllowedTokens.SequenceEqual([72, 73]) is true),
        .. In(FieldScope.Sampled, "ignore_eos", "true", (request, _) => request!.IgnoreEndTokens),
        .. In(FieldScope.Sampled, "stream", "true", (_, answer) => answer.Contains("data: {", StringComparison.Ordinal)),
        .. In(
            FieldScope.Generation, "stream_options", """{"include_usage":true}""",
            (_, answer) => answer.Contains("\"usage\":{", StringComparison.Ordinal), """{"stream":true}"""),
        .. In(
            FieldScope.StreamOptions, "include_usage", "true",
            (_, answer) => answer.Contains("\"usage\":{", StringComparison.Ordinal), """{"stream":true}"""),
        .. In(
            Completion, "logprobs", "2",
            (request, answer) => request!.TopLogprobs == 2 && answer.Contains("\"token_logprobs\"", StringComparison.Ordinal)),
        .. In(Chat, "logprobs", "true", (_, answer) => answer.Contains("\"logprob\"", StringComparison.Ordinal)),
        .. In(Chat, "top_logprobs", "2", (request, _) => request!.TopLogprobs == 2, """{"logprobs":true}"""),
        .. In(FieldScope.Generation, "return_token_ids", "true", (_, answer) => answer.Contains("\"prompt_token_ids\"", StringComparison.Ordinal)),
        .. In(FieldScope.Scheduled, "priority", "3", (request, _) => request!.Priority == -3),
        .. In(FieldScope.Scheduled, "timeout", "2.5", (request, _) => request!.Timeout == TimeSpan.FromSeconds(2.5)),
        .. In(FieldScope.Scheduled, "cache_salt", "\"s\"", (request, _) => request!.CacheSalt == "s"),
        .. In(FieldScope.Sampled, "session_id", "\"s\"", (request, _) => request!.Session == "s"),
        .. In(Chat, "reasoning_format", "\"none\"", (_, answer) => !answer.Contains("reasoning_tokens", StringComparison.Ordinal)),
        .. In(FieldScope.Generation, "response_format", """{"type":"json_object"}""", (request, _) => request?.Grammar?.Kind == GrammarKind.JsonObject),
        .. In(FieldScope.Sampled, "grammar", "\"root ::= [a-z]+\"", (request, _) => request?.Grammar?.Kind == GrammarKind.Gbnf),
        .. In(FieldScope.Sampled, "json_schema", """{"type":"null"}""", (request, _) => request?.Grammar?.Text == """{"type":"null"}"""),
        .. In(FieldScope.Sampled, "structured_outputs", """{"regex":"a+"}""", (request, _) => request?.Grammar?.Kind == GrammarKind.Regex),
        .. In(FieldScope.ResponseFormat, "type", "\"json_object\"", (request, _) => request?.Grammar?.Kind == GrammarKind.JsonObject),
        .. In(
            FieldScope.ResponseFormat, "json_schema", """{"schema":{"type":"null"}}""",
            (request, _) => request?.Grammar?.Text == """{"type":"null"}""", """{"response_format":{"type":"json_schema"}}"""),
        .. In(FieldScope.FormatSchema, "schema", """{"type":"null"}""", (request, _) => request?.Grammar?.Text == """{"type":"null"}"""),
        .. In(FieldScope.StructuredOutputs, "json", "\"{\\\"type\\\":\\\"null\\\"}\"", (request, _) => request?.Grammar?.Text == """{"type":"null"}"""),
        .. In(FieldScope.StructuredOutputs, "regex", "\"a+\"", (request, _) => request?.Grammar?.Kind == GrammarKind.Regex),
        .. In(FieldScope.StructuredOutputs, "choice", """["yes","no"]""", (request, _) => request?.Grammar?.Kind == GrammarKind.Choice),
        .. In(FieldScope.StructuredOutputs, "grammar", "\"root ::= [a-z]+\"", (request, _) => request?.Grammar?.Kind == GrammarKind.Gbnf),
        .. In(FieldScope.StructuredOutputs, "json_object", "true", (request, _) => request?.Grammar?.Kind == GrammarKind.JsonObject),
        .. In(Chat | FieldScope.OllamaChat, "tools", """[{"type":"function","function":{"name":"get_weather"}}]""", (request, _) => Said(request).Contains("get_weather", StringComparison.Ordinal)),
        .. In(FieldScope.Tokenize, "tools", """[{"function":{"name":"f"}}]""", (_, answer) => !answer.Contains("\"count\":3,", StringComparison.Ordinal)),
        .. In(Chat, "tool_choice", "\"required\"", (request, _) => request!.Grammar?.Kind == GrammarKind.Calls, Tool),
        .. In(FieldScope.Response, "tool_choice", "\"required\"", (request, _) => request!.Grammar?.Kind == GrammarKind.Calls, FlatTool),
        .. In(
            Chat, "parallel_tool_calls", "false", (request, _) => request!.Grammar!.Text.Contains("\"Between\":null", StringComparison.Ordinal),
            """{"tools":[{"function":{"name":"f"}}],"tool_choice":"required"}"""),
        .. In(FieldScope.Tool, "type", "\"web_search\"", (_, answer) => answer.Contains("web_search", StringComparison.Ordinal)),
        .. In(FieldScope.Tool, "function", """{"name":"h"}""", (_, answer) => answer.Contains("names the function 'f'", StringComparison.Ordinal)),
        .. In(FieldScope.ToolFunction | FieldScope.ResponseTool | FieldScope.MessageTool, "name", "\"h\"", (_, answer) => answer.Contains("names the function 'f'", StringComparison.Ordinal)),
        .. In(FieldScope.ToolFunction | FieldScope.ResponseTool | FieldScope.MessageTool, "description", "\"What f does.\"", (request, _) => Said(request).Contains("What f does.", StringComparison.Ordinal)),
        .. In(
            FieldScope.ToolFunction | FieldScope.ResponseTool, "parameters", """{"properties":{"city":{}}}""",
            (request, _) => Said(request).Contains("city", StringComparison.Ordinal) && request!.Grammar!.Text.Contains("city", StringComparison.Ordinal)),
        .. In(
            FieldScope.ToolFunction | FieldScope.ResponseTool, "strict", "true", (request, _) => request!.Grammar?.Text.Contains("\"IsStrict\":true", StringComparison.Ordinal) is true,
            """{"tool_choice":"auto"}"""),
        .. In(FieldScope.ToolChoice, "type", "\"allowed_tools\"", (_, answer) => answer.Contains("allowed_tools", StringComparison.Ordinal)),
        .. In(FieldScope.ToolChoice, "function", """{"name":"g"}""", (request, _) => Callable(request) == "g"),
        .. In(FieldScope.ChosenFunction | FieldScope.ResponseChoice | FieldScope.MessageChoice, "name", "\"g\"", (request, _) => Callable(request) == "g"),
        .. In(FieldScope.Message | FieldScope.OllamaMessage, "tool_calls", """[{"function":{"name":"h","arguments":"{}"}}]""", (request, _) => Said(request).Contains("<function=h>", StringComparison.Ordinal), Calls),
        .. In(
            FieldScope.Message | FieldScope.OllamaMessage, "tool_call_id", "\"c7\"", (request, _) => Said(request).Contains("c7", StringComparison.Ordinal),
            """{"messages":[{"role":"tool","content":"Hi"}]}"""),
        .. In(FieldScope.Message, "name", "\"h\"", (_, answer) => answer.Contains("messages[0].name is for a result", StringComparison.Ordinal)),
        .. In(FieldScope.ToolCall, "id", "\"c7\"", (request, _) => Said(request).Contains("c7", StringComparison.Ordinal)),
        .. In(FieldScope.ToolCall, "type", "\"custom\"", (_, answer) => answer.Contains("custom", StringComparison.Ordinal)),
        .. In(FieldScope.ToolCall, "function", """{"name":"h","arguments":{}}""", (request, _) => Said(request).Contains("<function=h>", StringComparison.Ordinal)),
        .. In(FieldScope.CalledFunction | FieldScope.InputCall | FieldScope.UseBlock, "name", "\"h\"", (request, _) => Said(request).Contains("\"name\": \"h\"", StringComparison.Ordinal)),
        .. In(FieldScope.CalledFunction | FieldScope.InputCall, "arguments", """{"a":1}""", (request, _) => Said(request).Contains("{\"a\": 1}", StringComparison.Ordinal)),
        .. In(FieldScope.Message, "role", "\"wizard\"", (_, answer) => answer.Contains("wizard", StringComparison.Ordinal)),
        .. In(FieldScope.Message, "content", "\"Ho\"", (request, _) => request!.PromptTokens[^1] == 'o'),
        .. In(FieldScope.Message, "reasoning_content", "\"Z\"", (request, _) => request!.PromptTokens.Contains('Z')),
        .. In(FieldScope.ContentPart, "type", "\"image_url\"", (_, answer) => answer.Contains("image_url", StringComparison.Ordinal)),
        .. In(FieldScope.ContentPart, "text", "\"Ho\"", (request, _) => request!.PromptTokens[^1] == 'o'),
        .. In(FieldScope.Response, "input", "\"Ho\"", (request, _) => request!.PromptTokens[^1] == 'o'),
        .. In(FieldScope.Response, "instructions", "\"Z\"", (request, _) => request!.PromptTokens.Contains('Z')),
        .. In(FieldScope.Response, "max_output_tokens", "3", (request, _) => request!.MaxTokens == 3),
        .. In(
            FieldScope.Response, "previous_response_id", "\"resp_0\"",
            (_, answer) => answer.Contains("previous_response_not_found", StringComparison.Ordinal)),
        .. In(FieldScope.Response, "store", "false", (_, answer) => answer.Contains("\"store\":false", StringComparison.Ordinal)),
        .. In(FieldScope.Response, "metadata", """{"a":"b"}""", (_, answer) => answer.Contains("""{"a":"b"}""", StringComparison.Ordinal)),
        .. In(FieldScope.Response, "text", """{"format":{"type":"json_object"}}""", (request, _) => request?.Grammar?.Kind == GrammarKind.JsonObject),
        .. In(FieldScope.ResponseText, "format", """{"type":"json_object"}""", (request, _) => request?.Grammar?.Kind == GrammarKind.JsonObject),
        .. In(FieldScope.TextFormat, "type", "\"json_object\"", (request, _) => request?.Grammar?.Kind == GrammarKind.JsonObject),
        .. In(
            FieldScope.TextFormat, "schema", """{"type":"null"}""", (request, _) => request?.Grammar?.Text == """{"type":"null"}""",
            """{"text":{"format":{"type":"json_schema"}}}"""),
        .. In(Discriminators, "type", "\"wizard\"", (_, answer) => answer.Contains("wizard", StringComparison.Ordinal)),
        .. In(FieldScope.InputMessage | FieldScope.Turn, "role", "\"wizard\"", (_, answer) => answer.Contains("wizard", StringComparison.Ordinal)),
        .. In(FieldScope.InputMessage | FieldScope.Turn, "content", "\"Ho\"", (request, _) => request!.PromptTokens[^1] == 'o'),
        .. In(FieldScope.InputPart | FieldScope.TextBlock, "text", "\"Ho\"", (request, _) => request!.PromptTokens[^1] == 'o'),
        .. In(
            FieldScope.InputReasoning, "content", """[{"type":"reasoning_text","text":"Z"}]""", (request, _) => request!.PromptTokens.Contains('Z')),
        .. In(FieldScope.InputThought, "text", "\"Z\"", (request, _) => request!.PromptTokens.Contains('Z')),
        .. In(FieldScope.ThinkingBlock, "thinking", "\"Z\"", (request, _) => request!.PromptTokens.Contains('Z')),
        .. In(
            FieldScope.MessageRequest, "messages", """[{"role":"user","content":"Ho"}]""", (request, _) => request!.PromptTokens[^1] == 'o'),
        .. In(
            FieldScope.CountTokens, "messages", """[{"role":"user","content":"Hello"}]""",
            (_, answer) => answer.Contains("\"input_tokens\":6", StringComparison.Ordinal)),
        .. In(FieldScope.MessageRequest, "system", "\"Z\"", (request, _) => request!.PromptTokens.Contains('Z')),
        .. In(FieldScope.CountTokens, "system", "\"Z\"", (_, answer) => answer.Contains("\"input_tokens\":5", StringComparison.Ordinal)),
        .. In(FieldScope.MessageRequest, "stop_sequences", "[\"ll\"]", (_, answer) => answer.Contains("\"He\"", StringComparison.Ordinal)),
        .. In(
            FieldScope.MessageRequest, "output_config", """{"format":{"type":"json_schema","schema":{"type":"null"}}}""",
            (request, _) => request?.Grammar?.Text == """{"type":"null"}"""),
        .. In(
            FieldScope.OutputConfig, "format", """{"type":"json_schema","schema":{"type":"null"}}""",
            (request, _) => request?.Grammar?.Text == """{"type":"null"}"""),
        .. In(FieldScope.Response, "tools", """[{"type":"function","name":"get_weather"}]""", (request, _) => Said(request).Contains("get_weather", StringComparison.Ordinal)),
        .. In(
            FieldScope.Response, "parallel_tool_calls", "false", (request, _) => request!.Grammar!.Text.Contains("\"Between\":null", StringComparison.Ordinal),
            """{"tools":[{"type":"function","name":"f"}],"tool_choice":"required"}"""),
        .. In(
            FieldScope.InputCall | FieldScope.InputResult, "call_id", "\"c7\"", (request, _) => Said(request).Contains("c7", StringComparison.Ordinal)),
        .. In(FieldScope.InputResult, "output", "\"Z\"", (request, _) => Said(request).Contains('Z', StringComparison.Ordinal)),
        .. In(FieldScope.MessageRequest, "tools", """[{"name":"get_weather"}]""", (request, _) => Said(request).Contains("get_weather", StringComparison.Ordinal)),
        .. In(FieldScope.CountTokens, "tools", """[{"name":"f"}]""", (_, answer) => answer.Length > "{\"input_tokens\":3}".Length),
        .. In(
            FieldScope.MessageRequest, "tool_choice", """{"type":"any"}""", (request, _) => request!.Grammar?.Kind == GrammarKind.Calls,
            """{"tools":[{"name":"f"}]}"""),
        .. In(
            FieldScope.CountTokens, "tool_choice", """{"type":"none"}""", (_, answer) => answer == "{\"input_tokens\":3}", """{"tools":[{"name":"f"}]}"""),
        .. In(
            FieldScope.MessageTool, "input_schema", """{"properties":{"city":{}}}""",
            (request, _) => Said(request).Contains("city", StringComparison.Ordinal) && request!.Grammar!.Text.Contains("city", StringComparison.Ordinal)),
        .. In(
            FieldScope.MessageTool, "strict", "true", (request, _) => request!.Grammar?.Text.Contains("\"IsStrict\":true", StringComparison.Ordinal) is true,
            """{"tool_choice":{"type":"auto"}}"""),
        .. In(FieldScope.MessageChoice, "type", "\"none\"", (request, _) => request!.Grammar is null),
        .. In(
            FieldScope.MessageChoice, "disable_parallel_tool_use", "true",
            (request, _) => request!.Grammar!.Text.Contains("\"Between\":null", StringComparison.Ordinal), """{"tool_choice":{"type":"any"}}"""),
        .. In(FieldScope.UseBlock, "id", "\"c7\"", (request, _) => Said(request).Contains("c7", StringComparison.Ordinal)),
        .. In(FieldScope.UseBlock, "input", """{"a":1}""", (request, _) => Said(request).Contains("{\"a\": 1}", StringComparison.Ordinal)),
        .. In(FieldScope.ResultBlock, "tool_use_id", "\"c7\"", (request, _) => Said(request).Contains("c7", StringComparison.Ordinal)),
        .. In(FieldScope.ResultBlock, "content", "\"Z\"", (request, _) => Said(request).Contains('Z', StringComparison.Ordinal)),
        .. In(FieldScope.Template, "tools", """[{"function":{"name":"get_weather"}}]""", (_, answer) => answer.Contains("get_weather", StringComparison.Ordinal)),
        .. In(FieldScope.Infill, "input_prefix", "\"Ho\"", (request, _) => request!.PromptTokens.SequenceEqual([256, 256, 'H', 'o', 257, 258])),
        .. In(FieldScope.Infill, "input_suffix", "\"Z\"", (request, _) => request!.PromptTokens.TakeLast(3).SequenceEqual([257, 'Z', 258])),
        .. In(FieldScope.Infill, "prompt", "\"Z\"", (request, _) => request!.PromptTokens.SequenceEqual([256, 256, 'H', 'i', 'Z', 257, 258])),
        .. In(FieldScope.Infill, "input_extra", """[{"filename":"a","text":"Z"}]""", (request, _) => request!.PromptTokens.Contains('Z')),
        .. In(FieldScope.InfillFile, "filename", "\"Z\"", (request, _) => request!.PromptTokens.Contains('Z')),
        .. In(FieldScope.InfillFile, "text", "\"Z\"", (request, _) => request!.PromptTokens.Contains('Z')),
        .. In(FieldScope.Infill, "n_predict", "3", (request, _) => request!.MaxTokens == 3),
        .. In(FieldScope.Infill | FieldScope.OllamaOptions, "repeat_penalty", "1.5", (request, _) => request!.Rules?.RepetitionPenalty == 1.5f),
        .. In(FieldScope.OllamaOptions, "seed", "9", (request, _) => request!.Seed == 9),
        .. In(FieldScope.OllamaOptions, "num_predict", "3", (request, _) => request!.MaxTokens == 3),
        .. In(FieldScope.OllamaOptions, "num_ctx", "100000", (_, answer) => answer.Contains("options.num_ctx must be at most 4096", StringComparison.Ordinal)),
        .. In(FieldScope.OllamaChat, "messages", """[{"role":"user","content":"Ho"}]""", (request, _) => request!.PromptTokens[^1] == 'o'),
        .. In(Ask, "stream", "true", (_, answer) => answer.Contains("\"done\":false", StringComparison.Ordinal)),
        .. In(Ask, "format", "\"json\"", (request, _) => request?.Grammar?.Kind == GrammarKind.JsonObject),
        .. In(Ask, "options", """{"temperature":0.5}""", (request, _) => request!.Sampling.Temperature == 0.5f),
        .. In(Ask, "think", "true", (_, answer) => answer.Contains("think must be absent or false", StringComparison.Ordinal)),
        .. In(FieldScope.OllamaGenerate, "prompt", "\"Ho\"", (request, _) => request!.PromptTokens[^1] == 'o'),
        .. In(FieldScope.OllamaGenerate, "suffix", "\"Ho\"", (request, _) => request!.PromptTokens.SequenceEqual([256, 259, 'H', 'i', 260, 'H', 'o', 261])),
        .. In(FieldScope.OllamaGenerate, "system", "\"Z\"", (request, _) => request!.PromptTokens.Contains('Z')),
        .. In(FieldScope.OllamaGenerate, "raw", "true", (request, _) => request!.PromptTokens.SequenceEqual([256, 'H', 'i'])),
        .. In(FieldScope.OllamaShow, "name", "\"gpt-4\"", (_, answer) => answer.Contains("model_not_found", StringComparison.Ordinal)),
        .. In(FieldScope.OllamaMessage, "role", "\"wizard\"", (_, answer) => answer.Contains("wizard", StringComparison.Ordinal)),
        .. In(FieldScope.OllamaMessage, "content", "\"Ho\"", (request, _) => request!.PromptTokens[^1] == 'o'),
        .. In(FieldScope.OllamaMessage, "thinking", "\"Z\"", (request, _) => request!.PromptTokens.Contains('Z')),
        .. In(
            FieldScope.OllamaMessage, "tool_name", "\"h\"", (request, _) => Said(request).Contains('h', StringComparison.Ordinal),
            """{"messages":[{"role":"tool","content":"Hi"}]}"""),
        .. In(FieldScope.OutputFormat, "schema", """{"type":"null"}""", (request, _) => request?.Grammar?.Text == """{"type":"null"}"""),
    ];

    public static TheoryData<long, string> Fields => FieldRequest.Rows(one => one is IHonouredField);

    [Theory]
    [MemberData(nameof(Fields))]
    public async Task Post_Field_DoesWhatItSays(long scopeNumber, string name)
    {
        var scope = (FieldScope)scopeNumber;
        var effect = Assert.Single(Effects, effect => (effect.Scope, effect.Name) == (scope, name));
        Assert.True(await HoldsAsync(effect, effect.Value));
        Assert.False(await HoldsAsync(effect, value: null));
    }

    [Theory]
    [MemberData(nameof(Fields))]
    public async Task Post_WrongType_Answers400WithTheFieldAndBothTypes(long scopeNumber, string name)
    {
        var scope = (FieldScope)scopeNumber;
        await using var gateway = await TestGateway.StartAsync();
        var takesObjects = (scope, name) == (FieldScope.Response, "text") || (scope, name) == (FieldScope.UseBlock, "input")
            || name is "stream_options" or "chat_template_kwargs" or "logit_bias" or "response_format" or "json_schema" or "structured_outputs" or "schema"
                or "json" or "metadata" or "format" or "output_config" or "input_schema" or "tool_choice" or "function" or "arguments" or "parameters" or "options";
        var (value, found) = takesObjects ? ("7", "the number 7") : ("""{"a":1}""", "an object");
        var error = await gateway.PostErrorAsync(FieldRequest.PathOf(scope), FieldRequest.With(scope, name, value));
        var param = FieldRequest.ParamOf(scope, name);
        error.Is(400, param, $"{param} must be ");
        Assert.EndsWith($"; found {found}.", error.Message, StringComparison.Ordinal);
        Assert.Empty(gateway.Grain.Requests);
    }

    private static async Task<bool> HoldsAsync(Effect effect, string? value)
    {
        await using var gateway = await TestGateway.StartAsync(
            effect.Name == "suffix" ? TestTokenizer.ThatInfills() : new TestTokenizer(),
            jinja: WithTemplate.Contains(effect.Name) || Thoughts.HasFlag(effect.Scope) ? Template : WithToolTemplate.Contains(effect.Name) ? ToolTemplate : null);
        gateway.Grain.Status = gateway.Grain.Status with { MaxSequenceTokens = 4096 };
        var request = FieldRequest.With(effect.Scope, effect.Name, value, effect.Others);
        using var response = await gateway.PostAsync(FieldRequest.PathOf(effect.Scope), request);
        var answer = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return effect.Holds(gateway.Grain.Requests.FirstOrDefault(), answer);
    }

    private static string Said(GenerationRequest? request) => new TestTokenizer().Decode(request!.PromptTokens);

    private static string? Callable(GenerationRequest? request) =>
        JsonElement.Parse(request!.Grammar!.Text).GetProperty("Calls").EnumerateArray().Single().GetProperty("Name").GetString();

    private static IEnumerable<Effect> In(
        FieldScope scopes, string name, string value, Func<GenerationRequest?, string, bool> holds, string others = "{}") =>
        from scope in FieldRequest.Scopes
        where scopes.HasFlag(scope)
        select new Effect(scope, name, value, holds, others);

    /// <summary>What a value of a field does.</summary>
    /// <param name="Scope">The object that it stands in.</param>
    /// <param name="Name">The field.</param>
    /// <param name="Value">The value as JSON.</param>
    /// <param name="Holds">Whether it was done, from what the grain was asked and what was answered.</param>
    /// <param name="Others">Fields that it needs beside it.</param>
    private sealed record Effect(
        FieldScope Scope, string Name, string Value, Func<GenerationRequest?, string, bool> Holds, string Others);
}
