"""Any model behind an OpenAI-compatible endpoint that sees pictures: vLLM, SGLang, LMDeploy, or a hosted one."""
