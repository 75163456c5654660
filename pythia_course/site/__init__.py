"""The course as a web page: one HTML file with a model inside, which needs no kernel, no server and no network.

page.page_text        a model's name -> the text of such a file; `page.write_page` writes it
"""
