namespace Llama.Gateway.Api.Fields;

/// <summary>
/// Fields of other servers' requests that are not supported, with the values that ask for nothing: OpenAI's, vLLM's, llama.cpp's,
/// Ollama's and a few more that clients send. A field that becomes supported moves to <see cref="RequestFields"/>.
/// </summary>
internal static class RefusedFields
{
    private const FieldScope Generation = FieldScope.Generation;
    private const FieldScope LlamaServer = FieldScope.Generation | FieldScope.Infill;
    private const FieldScope Ask = FieldScope.OllamaChat | FieldScope.OllamaGenerate;
    private const FieldScope Completion = FieldScope.Completion;
    private const FieldScope Chat = FieldScope.Chat;
    private const FieldScope Messages = FieldScope.Messages;
    private const FieldScope Tokenize = FieldScope.Tokenize;
    private const FieldScope Message = FieldScope.Message;
    private const FieldScope Part = FieldScope.ContentPart;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<RequestField> All { get; } =
    [
        // OpenAI.
        Field("audio", Generation),
        Field("echo", Chat, "false"),
        Field("function_call", Completion, "\"none\"", "\"auto\""),
        Instead("function_call", Chat, "tool_choice", "\"none\"", "\"auto\""),
        Field("functions", Completion, "[]"),
        Instead("functions", Chat, "tools", "[]"),
        Field("modalities", Generation, "[\"text\"]"),
        Field("moderation", Generation),
        Field("prediction", Generation),
        Field("prompt_cache_options", Generation, "{}", "{\"mode\":\"implicit\"}"),
        Field("prompt_cache_retention", Generation, "\"in_memory\""),
        Field("reasoning", Generation, "{}"),
        Field("reasoning_effort", Generation, "\"none\""),
        Field("service_tier", Generation, "\"auto\"", "\"default\""),
        Field("store", Generation, "false"),
        Field("suffix", Chat, "\"\""),
        Field("tool_choice", Completion, "\"none\"", "\"auto\""),
        Field("tools", Completion, "[]"),
        Field("verbosity", Generation, "\"medium\""),
        Field("web_search_options", Generation),
        Field("include_obfuscation", FieldScope.StreamOptions, "false"),
        Field("continuous_usage_stats", FieldScope.StreamOptions, "false"),
        Instead("top_logprobs", FieldScope.Completion, "logprobs", "0"),
        Instead("input", Generation, "messages in /v1/chat/completions or prompt in /v1/completions"),
        Instead("instructions", Chat, "a message with the role system"),
        Instead("max_output_tokens", Generation, "max_tokens"),

        Field("dimensions", FieldScope.Embedding | FieldScope.OllamaEmbed),

        // vLLM and SGLang.
        Field("chat_template", Messages),
        Field("documents", Chat, "[]"),
        Field("early_stopping", Generation, "false"),
        Instead("ebnf", Generation, "grammar", "\"\""),
        Field("ec_transfer_params", Generation),
        Field("enable_thinking", Generation, "false"),
        Instead("guided_choice", Generation, "structured_outputs"),
        Field("guided_decoding_backend", Generation),
        Instead("guided_grammar", Generation, "structured_outputs"),
        Instead("guided_json", Generation, "structured_outputs"),
        Instead("guided_regex", Generation, "structured_outputs"),
        Field("guided_whitespace_pattern", Generation),
        Field("include_reasoning", Generation, "true"),
        Field("include_stop_str_in_output", Generation, "false"),
        Field("kv_transfer_params", Generation),
        Field("length_penalty", Generation, "1"),
        Field("logits_processors", Generation, "[]"),
        Field("logprob_token_ids", Generation),
        Field("lora_path", Generation),
        Field("lora_request", Generation),
        Field("media_io_kwargs", Messages, "{}"),
        Field("mm_processor_kwargs", Messages, "{}"),
        Field("prompt_embeds", Generation),
        Field("regex", Generation, "\"\""),
        Field("repetition_detection", Generation),
        Field("request_id", Generation),
        Field("return_prompt_text", Generation, "false"),
        Field("return_token_offsets", Generation, "false"),
        Field("return_tokens_as_token_ids", Generation, "false"),
        Field("skip_special_tokens", Generation, "true"),
        Field("spaces_between_special_tokens", Generation, "true"),
        Field("stop_regex", Generation, "[]", "\"\""),
        Field("stream_interval", Generation, "1"),
        Field("thinking_token_budget", Generation, "-1"),
        Field("truncate_prompt_tokens", FieldScope.Scheduled),
        Field("truncation_side", Generation),
        Field("use_beam_search", Generation, "false"),
        Field("vllm_xargs", Generation, "{}"),
        Field("watermarking", Generation, "false"),
        Field("return_token_strs", Tokenize, "false"),
        Field("add_special_tokens", Chat, "false"),
        Instead("max_new_tokens", Generation, "max_tokens"),

        // llama.cpp.
        Field("backend_sampling", LlamaServer, "false"),
        Field("cache_prompt", LlamaServer, "true"),
        Field("dry_multiplier", LlamaServer, "0"),
        Field("dynatemp_range", LlamaServer, "0"),
        Field("grammar_lazy", LlamaServer, "false"),
        Field("grammar_triggers", LlamaServer, "[]"),
        Field("id_slot", LlamaServer, "-1"),
        Field("image_data", LlamaServer, "[]"),
        Field("lora", LlamaServer, "[]"),
        Field("min_keep", LlamaServer, "0"),
        Field("mirostat", LlamaServer | FieldScope.OllamaOptions, "0"),
        Field("n_cache_reuse", LlamaServer, "0"),
        Field("n_discard", LlamaServer, "0"),
        Field("n_indent", LlamaServer, "0"),
        Field("n_keep", LlamaServer, "0"),
        Field("penalize_nl", LlamaServer, "false"),
        Field("post_sampling_probs", LlamaServer, "false"),
        Field("preserved_tokens", LlamaServer, "[]"),
        Field("reasoning_format", FieldScope.Completion, "\"none\"", "\"auto\""),
        Instead("repeat_penalty", Generation, "repetition_penalty", "1"),
        Field("response_fields", LlamaServer, "[]"),
        Field("return_progress", LlamaServer, "false"),
        Field("samplers", LlamaServer),
        Field("tfs_z", LlamaServer | FieldScope.OllamaOptions, "1"),
        Field("thinking_budget_tokens", Generation, "-1"),
        Field("timings_per_token", LlamaServer, "false"),
        Field("top_n_sigma", LlamaServer, "-1", "0"),
        Field("typical_p", LlamaServer | FieldScope.OllamaOptions, "1"),
        Field("xtc_probability", LlamaServer, "0"),
        Field("parse_special", Tokenize, "false"),
        Field("with_pieces", Tokenize, "false"),
        Instead("add_special", Tokenize, "add_special_tokens"),
        Instead("content", Tokenize, "prompt"),
        Instead("n_predict", Generation, "max_tokens"),
        Instead("n_probs", Generation, "logprobs", "0"),
        Instead("return_tokens", Generation, "return_token_ids", "false"),
        Instead("t_max_predict_ms", LlamaServer, "timeout", "0", "-1"),

        Field("n_probs", FieldScope.Infill, "0"),
        Field("return_tokens", FieldScope.Infill, "false"),
        Field("t_max_prompt_ms", FieldScope.Infill, "0", "-1"),

        // Ollama.
        Field("images", FieldScope.OllamaGenerate | FieldScope.OllamaMessage, "[]"),
        Field("context", FieldScope.OllamaGenerate, "[]"),
        Field("template", FieldScope.OllamaGenerate | FieldScope.OllamaShow, "\"\""),
        Field("system", FieldScope.OllamaShow, "\"\""),
        Field("options", FieldScope.OllamaShow | FieldScope.OllamaEmbed, "{}"),
        Field("truncate", FieldScope.OllamaEmbed, "false"),
        Field("truncate", Ask, "false"),
        Field("shift", Ask, "false"),
        Field("logprobs", Ask, "false"),
        Field("top_logprobs", Ask, "0"),
        Field("_debug_render_only", Ask, "false"),
        Field("penalize_newline", FieldScope.OllamaOptions, "false"),
        Field("draft_num_predict", FieldScope.OllamaOptions, "0"),
        Field("format", Generation, "\"\""),
        Field("images", Generation | Message, "[]"),
        Field("keep_alive", Generation, "-1"),
        Field("num_ctx", Generation),
        Field("shift", Generation, "false"),
        Field("template", Generation, "\"\""),
        Field("think", Generation, "false"),
        Field("truncate", Generation, "false"),
        Instead("num_predict", Generation, "max_tokens"),
        Instead("options", Generation, "the fields themselves, such as temperature", "{}"),
        Instead("system", Chat, "a message with the role system", "\"\""),

        // Hugging Face, Anthropic and OpenRouter.
        Field("do_sample", Generation, "true"),
        Field("num_beams", Generation, "1"),
        Field("plugins", Generation, "[]"),
        Field("provider", Generation, "{}"),
        Field("return_full_text", Generation, "false"),
        Field("thinking", Generation, "{\"type\":\"disabled\"}"),
        Field("top_a", Generation, "0"),
        Field("transforms", Generation, "[]"),
        Instead("inputs", FieldScope.Completion, "prompt"),
        Instead("max_tokens_to_sample", Generation, "max_tokens"),
        Instead("num_return_sequences", Generation, "n", "1"),
        Instead("stop_sequences", Generation, "stop", "[]"),

        // structured_outputs of vLLM.
        Field("disable_additional_properties", FieldScope.StructuredOutputs, "false"),
        Field("disable_any_whitespace", FieldScope.StructuredOutputs, "false"),
        Field("structural_tag", FieldScope.StructuredOutputs),
        Field("whitespace_pattern", FieldScope.StructuredOutputs),

        // Messages and their parts.
        Field("annotations", Message | Part, "[]"),
        Field("audio", Message),
        Instead("function_call", Message, "tool_calls"),
        Field("partial", Message, "false"),
        Field("prefix", Message, "false"),
        Field("reasoning", Message, "\"\""),
        Field("refusal", Message, "\"\""),
        Field("thinking", Message, "\"\""),
        Field("tool_name", Message, "\"\""),
        Field("audio_url", Part),
        Field("file", Part),
        Field("image_url", Part),
        Field("input_audio", Part),
        Field("refusal", Part),
        Field("video_url", Part),
    ];

    private static RefusedField Field(string name, FieldScope scopes, params string[] neutral) => new(name, scopes, neutral);

    private static RefusedField Instead(string name, FieldScope scopes, string instead, params string[] neutral) =>
        new(name, scopes, neutral, instead);
}
